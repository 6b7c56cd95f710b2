-- Removes entries, and with the last one everything; gives how many there were.
-- KEYS items expiries uses reports
-- ARGV ...
-- WITH once
local count = 0
for _, name in ipairs(ARGV) do
  count = count + redis.call('HDEL', items, name)
  redis.call('ZREM', expiries, name)
  redis.call('ZREM', uses, name)
  redis.call('HDEL', reports, name)
end
if redis.call('EXISTS', items) == 0 then redis.call('DEL', expiries, uses, reports) end
return count
