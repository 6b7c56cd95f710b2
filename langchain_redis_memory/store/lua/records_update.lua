-- Notes that records are up to date and which groups they belong to; returns 1. Where the server's clock stands before
-- `time_at_least` it writes nothing and returns 0.
-- After the named argument come pairs (record, group): a group is escaped, with = before it; none is empty. Something
-- else under one of the keys is found before anything is written.
-- KEYS times groups members
-- ARGV time_at_least ...
-- WITH once
-- WITH seconds
local _ = redis.call('ZCARD', times) + redis.call('HLEN', groups) + redis.call('ZCARD', members)
if tonumber(time_at_least) > seconds then return 0 end
local stamp = string.format('%.17g', seconds)
for i = 2, #ARGV, 2 do
  local record, group = ARGV[i], string.match(ARGV[i + 1], '^=(.*)')
  local former = redis.call('HGET', groups, record)
  if former then redis.call('ZREM', members, former .. '/' .. record) end
  redis.call('ZADD', times, stamp, record)
  if group then
    redis.call('HSET', groups, record, group)
    redis.call('ZADD', members, 0, group .. '/' .. record)
  else
    redis.call('HDEL', groups, record)
  end
end
return 1
