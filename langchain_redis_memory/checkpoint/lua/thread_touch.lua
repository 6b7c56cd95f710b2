-- Notes in a tenant's index that a thread is alive, when it expires, and which runs wrote to it; forgets some that have
-- expired. Members of `threads`: `a` thread; `b` thread `/` run; `c` run `/` thread. The names are percent-escaped.
-- how: write, read (only a thread that is known), pin.
-- KEYS threads thread_expiries
-- ARGV thread ttl_ms how ...
-- WITH now
-- WITH until
-- WITH forget
local known = redis.call('ZSCORE', thread_expiries, thread)
local news = not known or tostring(known) ~= 'inf'
for i = 4, #ARGV do news = news or not redis.call('ZSCORE', threads, 'b' .. thread .. '/' .. ARGV[i]) end
if not news then return 0 end
if known or how == 'write' then
  local expiry = '+inf'
  if how ~= 'pin' and ttl_ms ~= '0' and tostring(known) ~= 'inf' then
    expiry = string.format('%.0f', math.max(tonumber(known or 0), tonumber(now) + tonumber(ttl_ms)))
  end
  redis.call('ZADD', threads, 0, 'a' .. thread)
  redis.call('ZADD', thread_expiries, expiry, thread)
  for i = 4, #ARGV do
    redis.call('ZADD', threads, 0, 'b' .. thread .. '/' .. ARGV[i], 0, 'c' .. ARGV[i] .. '/' .. thread)
  end
end
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', thread_expiries, '-inf', now, 'LIMIT', 0, 16)) do forget(expired) end
live_until(thread_expiries, KEYS)
return 1
