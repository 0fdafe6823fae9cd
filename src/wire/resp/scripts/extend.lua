-- append and prepend. ARGV: side (a or p), bytes, the most that the value may come to, token or '', 'c' when the
-- token is wanted. Answers the outcome, the new token and the new length.
local MARK = '\0ketch:1'
local key, side, bytes, most, token, wanted = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local stored = redis.pcall('GET', key)
if not stored then return {1} end
if type(stored) == 'table' then return stored end
if token ~= '' and string.sub(redis.sha1hex(stored), 1, 15) ~= token then return {2} end
local head, value = '', stored
if #stored >= 12 and string.sub(stored, 1, 8) == MARK then
  head, value = string.sub(stored, 1, 12), string.sub(stored, 13)
  if string.sub(head, 9) ~= '\0\0\0\0' then most = most - 4 end
end
if #value + #bytes > most then return {1} end
value = side == 'a' and value .. bytes or bytes .. value
if head == '' and string.sub(value, 1, 8) == MARK then head = MARK .. '\0\0\0\0' end
local done = redis.pcall('SET', key, head .. value, 'KEEPTTL')
if done.err then return done end
return {0, wanted == 'c' and string.sub(redis.sha1hex(head .. value), 1, 15) or '', #value}
