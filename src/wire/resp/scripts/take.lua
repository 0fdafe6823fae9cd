-- Takes the lease of a key that is handed over. KEYS: the key, its marker. ARGV: token, milliseconds.
-- Answers 0 when it was taken, 1 when there is an item, 2 and the milliseconds left when somebody else has it.
if redis.call('EXISTS', KEYS[1]) == 1 then return {1} end
local taken = redis.pcall('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
if not taken then return {2, redis.call('PTTL', KEYS[2])} end
if taken.err then return taken end
return {0}
