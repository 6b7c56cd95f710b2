-- Switches a cache off for a time, for all processes, or on again (0).
-- KEYS values expiries
-- ARGV off_ms
-- WITH once
-- WITH micros
-- WITH until
if off_ms == '0' then
  redis.call('HDEL', values, 's')
  redis.call('ZREM', expiries, 's')
else
  local till = string.format('%.0f', now / 1000 + tonumber(off_ms))
  redis.call('HSET', values, 's', till)
  redis.call('ZADD', expiries, till, 's')
  live_until(expiries, KEYS)
end
return 1
