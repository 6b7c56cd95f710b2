-- Fragment: `outlive(total)` lets a collection's keys live as long as the last of its `total` points;
-- `lapsed()` gives some points whose time has come.
local function lapsed() return redis.call('ZRANGEBYSCORE', point_lapses, '-inf', now, 'LIMIT', 0, 16) end
local function outlive(total)
  local lasting = total > redis.call('ZCARD', point_lapses)
  local last = redis.call('ZRANGE', point_lapses, -1, -1, 'WITHSCORES')[2]
  for _, key in ipairs(KEYS) do
    if lasting then
      redis.call('PERSIST', key)
    elseif last then
      redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last)))
    end
  end
end
local function lapses(owner, ttl)
  if ttl > 0 then
    redis.call('ZADD', point_lapses, string.format('%.0f', tonumber(now) + ttl), owner)
  else
    redis.call('ZREM', point_lapses, owner)
  end
end
