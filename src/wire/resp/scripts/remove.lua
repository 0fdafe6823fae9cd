-- delete under a token. ARGV: token. Answers the outcome.
local stored = redis.pcall('GET', KEYS[1])
if not stored then return {3} end
if type(stored) == 'table' then return stored end
if string.sub(redis.sha1hex(stored), 1, 15) ~= ARGV[1] then return {2} end
local done = redis.pcall('UNLINK', KEYS[1])
if type(done) == 'table' then return done end
return {0}
