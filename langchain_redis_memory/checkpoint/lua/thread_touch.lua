-- Notes in a tenant's index that a thread is alive, when it lapses, and which runs wrote to it; forgets some that have
-- lapsed. Members of `threads`: `a` thread; `b` thread `/` run; `c` run `/` thread. The names are percent-escaped.
-- how: write, read (only a thread that is known), pin.
-- KEYS threads thread_lapses
-- ARGV thread ttl_ms how ...
-- WITH now
-- WITH until
-- WITH forget
local known = redis.call('ZSCORE', thread_lapses, thread)
local news = not known or tostring(known) ~= 'inf'
for i = 4, #ARGV do news = news or not redis.call('ZSCORE', threads, 'b' .. thread .. '/' .. ARGV[i]) end
if not news then return 0 end
if known or how == 'write' then
  local lapse = '+inf'
  if how ~= 'pin' and ttl_ms ~= '0' and tostring(known) ~= 'inf' then
    lapse = string.format('%.0f', math.max(tonumber(known or 0), tonumber(now) + tonumber(ttl_ms)))
  end
  redis.call('ZADD', threads, 0, 'a' .. thread)
  redis.call('ZADD', thread_lapses, lapse, thread)
  for i = 4, #ARGV do
    redis.call('ZADD', threads, 0, 'b' .. thread .. '/' .. ARGV[i], 0, 'c' .. ARGV[i] .. '/' .. thread)
  end
end
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', thread_lapses, '-inf', now, 'LIMIT', 0, 16)) do forget(lapsed) end
live_until(thread_lapses, KEYS)
return 1
