-- Stores entries: triples (name, ttl_ms, body; ttl_ms 0: no end), each as the time of its expire, a colon and the body.
-- Removes some that have expired, and where more than `most` are stored (0: no bound) `spare` more than needed of those
-- used least recently, whose names and records it gives: their vectors are to be removed then. Notes who embedded last.
-- KEYS items expiries uses reports
-- ARGV most spare embedding ...
-- WITH once
-- WITH now
-- WITH until
local _ = redis.call('HLEN', items) + redis.call('ZCARD', expiries) + redis.call('ZCARD', uses)
local function remove(name)
  redis.call('HDEL', items, name)
  redis.call('ZREM', expiries, name)
  redis.call('ZREM', uses, name)
  redis.call('HDEL', reports, name)
end
redis.call('HSET', reports, '', embedding)
for i = 4, #ARGV, 3 do
  local name, ttl_ms = ARGV[i], ARGV[i + 1]
  local expiry = ttl_ms == '0' and '+inf' or string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
  redis.call('ZADD', expiries, expiry, name)
  redis.call('HSET', items, name, expiry .. ':' .. ARGV[i + 2])
  redis.call('HDEL', reports, name)
  redis.call('ZADD', uses, now, name)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 16 + #ARGV)) do remove(name) end
local excess, evicted = redis.call('HLEN', items) - tonumber(most), {}
if most ~= '0' and excess > 0 then
  for i, name in ipairs(redis.call('ZRANGE', uses, 0, math.min(excess + tonumber(spare), 1000) - 1)) do
    evicted[2 * i - 1], evicted[2 * i] = name, redis.call('HGET', items, name) or ''
    remove(name)
  end
end
live_until(expiries, KEYS)
return evicted, {} -- a trip that is sent again is not told of them: their vectors go when they are found alone
