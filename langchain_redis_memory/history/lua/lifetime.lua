-- Moves the lifetime of one conversation's keys together and returns 1 where it exists.
-- how: touch (never shortens, a pinned one stays pinned; no `ttl_ms` pins), set (unpins), pin.
-- KEYS messages ids meta ...
-- ARGV ttl_ms how
local left = redis.call('PTTL', meta)
if left == -2 then return 0 end
local lifetime = how == 'set' and ttl_ms or string.format('%.0f', math.max(left, tonumber(ttl_ms)))
for _, key in ipairs(KEYS) do
  if how == 'pin' or ttl_ms == '0' then
    redis.call('PERSIST', key)
  elseif how == 'set' or left ~= -1 then
    redis.call('PEXPIRE', key, lifetime)
  end
end
return 1
