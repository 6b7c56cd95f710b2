-- Fragment: `outlive(total, hashed)` lets a collection's keys live as long as the last of its `total` points (where they
-- are hashed, what was removed has a expire too, which does not count); `expired()` gives some points whose time has come;
-- `expires(owner, ttl)` sets a lifetime.
local function expired() return redis.call('ZRANGEBYSCORE', point_expiries, '-inf', now, 'LIMIT', 0, 16) end
local function outlive(total, hashed)
  local lasting, last = total > redis.call('ZCARD', point_expiries), nil
  local latest = redis.call('ZREVRANGE', point_expiries, 0, 15, 'WITHSCORES')
  for i = 1, #latest, 2 do
    if not last and (not hashed or redis.call('HEXISTS', points, 'p' .. latest[i]) == 1) then last = latest[i + 1] end
  end
  last = last or latest[2]
  for _, key in ipairs(KEYS) do
    if lasting then
      redis.call('PERSIST', key)
    elseif last then
      redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last)))
    end
  end
end
local function expiries(owner, ttl)
  if ttl > 0 then
    redis.call('ZADD', point_expiries, string.format('%.0f', tonumber(now) + ttl), owner)
  else
    redis.call('ZREM', point_expiries, owner)
  end
end
