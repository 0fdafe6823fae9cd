-- cas. ARGV: token, what is to be stored, the words of its life for SET. Answers the outcome.
local stored = redis.pcall('GET', KEYS[1])
if not stored then return {3} end
if type(stored) == 'table' then return stored end
if string.sub(redis.sha1hex(stored), 1, 15) ~= ARGV[1] then return {2} end
local done = redis.pcall('SET', KEYS[1], ARGV[2], unpack(ARGV, 3))
if done.err then return done end
return {0}
