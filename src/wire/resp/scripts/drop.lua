-- Gives a lease up. KEYS: the key, its marker. ARGV: token. Answers 1 when it was still had, else 0.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('UNLINK', KEYS[2])
