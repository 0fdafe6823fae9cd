-- incr and decr. ARGV: + or -, the delta in twenty digits, token or '', c where the new token is wanted, the flags t, T
-- and N in their order, the command and the number that give a new life (T), those for an item that is made (N), and its
-- number. Without N nothing is made.
-- Answers the outcome, the number, the life, the token.
-- Lua's numbers are exact up to 2^53: a number of 64 bits is a high and a low part in base 10^10.
local BASE, TOP_HIGH, TOP_LOW = 1e10, 1844674407, 3709551616
local MARK = '\0ketch:1'

local function parts(digits)
  return tonumber(string.sub(digits, 1, 10)), tonumber(string.sub(digits, 11))
end

-- The number as C's strtoull reads it: blanks before, a sign, anything behind a blank or a NUL.
local function number(text)
  local sign, digits, rest = string.match(text, '^%s*([+-]?)(%d+)(.*)$')
  if not digits or not (rest == '' or string.match(rest, '^[%s%z]')) then return nil end
  digits = string.match(digits, '^0*(.*)$')
  if #digits > 20 then return nil end
  local high, low = parts(string.rep('0', 20 - #digits) .. digits)
  if high > TOP_HIGH or (high == TOP_HIGH and low >= TOP_LOW) then return nil end
  if sign == '-' and (high > 0 or low > 0) then
    high, low = TOP_HIGH - high, TOP_LOW - low
    if low < 0 then high, low = high - 1, low + BASE end
  end
  local is_large = high > 922337203 or (high == 922337203 and low >= 6854775808)
  if is_large and string.find(string.match(text, '^%Z*'), '-', 1, true) then return nil end
  return high, low
end

local key, order = KEYS[1], ARGV[5] or ''

-- The answer for an item that has just got this value.
local function finish(stored, value, is_made)
  local life = -1
  for flag in string.gmatch(order, '.') do
    local at = flag == 'T' and 6 or 8
    if flag == 't' then
      life = redis.call('TTL', key)
    elseif flag == 'T' or is_made then
      redis.call(ARGV[at], key, unpack(ARGV, at + 1, at + (ARGV[at + 1] ~= '' and 1 or 0)))
    end
  end
  return {0, value, life, ARGV[4] == 'c' and string.sub(redis.sha1hex(stored), 1, 15) or ''}
end

local stored = redis.pcall('GET', key)
if not stored then
  if not string.find(order, 'N', 1, true) then return {3} end
  local made = redis.pcall('SET', key, ARGV[10])
  return made.err and made or finish(ARGV[10], ARGV[10], true)
end
if type(stored) == 'table' then return stored end
local head, value = '', stored
if #stored >= 12 and string.sub(stored, 1, 8) == MARK then
  head, value = string.sub(stored, 1, 12), string.sub(stored, 13)
end
if value == '' then return {4} end
if ARGV[3] ~= '' and string.sub(redis.sha1hex(stored), 1, 15) ~= ARGV[3] then return {2} end
local high, low = number(value)
if not high then return {4} end

local by_high, by_low = parts(ARGV[2])
if ARGV[1] == '+' then
  high, low = high + by_high, low + by_low
  if low >= BASE then high, low = high + 1, low - BASE end
  if high > TOP_HIGH or (high == TOP_HIGH and low >= TOP_LOW) then
    high, low = high - TOP_HIGH, low - TOP_LOW
    if low < 0 then high, low = high - 1, low + BASE end
  end
else
  high, low = high - by_high, low - by_low
  if low < 0 then high, low = high - 1, low + BASE end
  if high < 0 then high, low = 0, 0 end
end
value = string.match(string.format('%010.0f%010.0f', high, low), '^0*(%d.*)$')

local done = redis.pcall('SET', key, head .. value, 'KEEPTTL')
if done.err then return done end
return finish(head .. value, value, false)
