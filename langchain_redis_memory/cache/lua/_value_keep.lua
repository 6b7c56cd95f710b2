-- Fragment: stores a value's record until it expires, and removes some that have.
local function keep(name, one)
  local score = one.expires == 0 and '+inf' or text(one.expires)
  redis.call('ZADD', expiries, score, 'v' .. name)
  redis.call('HSET', values, 'v' .. name, string.format('\1%.0f %.0f %s %.0f %s\n', one.expires, one.fresh, one.delta,
    one.version, one.tags) .. one.body)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', text(moment), 'LIMIT', 0, 16)) do
    redis.call('ZREM', expiries, gone)
    redis.call('HDEL', values, gone)
  end
  live_until(expiries, {values, expiries})
end
