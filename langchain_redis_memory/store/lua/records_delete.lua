-- Deletes records.
-- KEYS times groups members
-- ARGV ...
-- WITH once
for _, record in ipairs(ARGV) do
  local group = redis.call('HGET', groups, record)
  if group then redis.call('ZREM', members, group .. '/' .. record) end
  redis.call('HDEL', groups, record)
  redis.call('ZREM', times, record)
end
