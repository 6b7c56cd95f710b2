-- Notes in an agent's index that a session is alive and when it expires, and forgets some that have expired.
-- how: write (now active; never expires sooner), read (the same without being active), set (unpins), pin.
-- KEYS sessions expiries
-- ARGV session ttl_ms how
-- WITH now
-- WITH until
local known = redis.call('ZSCORE', expiries, session)
local pinned = tostring(known) == 'inf' and how ~= 'set' -- then so are the keys of the index
if how == 'write' then redis.call('ZADD', sessions, now, session) end
if not pinned and (known or how == 'write') then
  local expiry = '+inf'
  if how ~= 'pin' and ttl_ms ~= '0' then
    local soonest = how ~= 'set' and tonumber(known or 0) or 0
    expiry = string.format('%.0f', math.max(soonest, tonumber(now) + tonumber(ttl_ms)))
  end
  redis.call('ZADD', expiries, expiry, session)
end
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('ZREM', expiries, expired)
  redis.call('ZREM', sessions, expired)
end
if pinned then return 1 end
live_until(expiries, KEYS)
return 1
