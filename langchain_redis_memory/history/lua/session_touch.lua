-- Notes in an agent's index that a session is alive and when it lapses, and forgets some that have lapsed.
-- how: write (now active; never lapses sooner), read (the same without being active), set (unpins), pin.
-- KEYS sessions lapses
-- ARGV session ttl_ms how
-- WITH now
-- WITH until
local known = redis.call('ZSCORE', lapses, session)
local pinned = tostring(known) == 'inf' and how ~= 'set' -- then so are the keys of the index
if how == 'write' then redis.call('ZADD', sessions, now, session) end
if not pinned and (known or how == 'write') then
  local lapse = '+inf'
  if how ~= 'pin' and ttl_ms ~= '0' then
    local soonest = how ~= 'set' and tonumber(known or 0) or 0
    lapse = string.format('%.0f', math.max(soonest, tonumber(now) + tonumber(ttl_ms)))
  end
  redis.call('ZADD', lapses, lapse, session)
end
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', lapses, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('ZREM', lapses, lapsed)
  redis.call('ZREM', sessions, lapsed)
end
if pinned then return 1 end
live_until(lapses, KEYS)
return 1
