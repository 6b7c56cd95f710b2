-- Deletes those of some values that have a tag; gives how many.
-- KEYS values expiries
-- ARGV tag ...
-- WITH once
local count = 0
for i = 2, #ARGV do
  local name = 'v' .. ARGV[i]
  local tags = string.match(redis.call('HGET', values, name) or '', '^\1%d+ %d+ %d+ %d+ ([^\n]*)\n') or ''
  if string.find(' ' .. tags, ' ' .. tag .. '=', 1, true) then
    redis.call('HDEL', values, name)
    redis.call('ZREM', expiries, name)
    count = count + 1
  end
end
return count
