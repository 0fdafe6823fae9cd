-- Stores under a lease. KEYS: the key, its marker. ARGV: token, what is to be stored, the words of its life for SET.
-- Answers 1 when it was stored, 0 when the lease was lost or there is an item.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local stored = redis.pcall('SET', KEYS[1], ARGV[2], 'NX', unpack(ARGV, 3))
redis.call('UNLINK', KEYS[2])
if not stored then return 0 end
if stored.err then return stored end
return 1
