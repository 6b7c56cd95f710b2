-- Stores values for a time (0: for ever), notes their names in the store's index, forgets names whose time is over.
-- After the named arguments come pairs (name, value), one for each further key. Something else under one of the named
-- keys is found before anything is written.
-- KEYS names expiries ...
-- ARGV ttl_ms ...
-- WITH once
-- WITH now
-- WITH until
local _ = redis.call('ZCARD', names) + redis.call('ZCARD', expiries)
local pinned = ttl_ms == '0' or redis.call('PTTL', names) == -1
local expiry = string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
for i = 3, #KEYS do
  local name, value = ARGV[i * 2 - 4], ARGV[i * 2 - 3]
  redis.call('ZADD', names, 0, name)
  if ttl_ms == '0' then
    redis.call('ZREM', expiries, name)
    redis.call('SET', KEYS[i], value)
  else
    redis.call('ZADD', expiries, expiry, name)
    redis.call('SET', KEYS[i], value, 'PX', ttl_ms)
  end
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 16 + #ARGV)) do
  redis.call('ZREM', expiries, name)
  redis.call('ZREM', names, name)
end
if pinned then redis.call('PERSIST', names) end
live_until(expiries, pinned and {expiries} or {names, expiries})
