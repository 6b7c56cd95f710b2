-- Stores items of one hash, each with its own lifetime (0: none), and removes some whose lifetime is over.
-- The arguments are triples (item, ttl_ms, body); what is stored is the expiry, a colon and the body. An
-- item without a body is removed. Something else under one of the keys is found before anything is written.
-- KEYS items expiries
-- ARGV ...
-- WITH once
-- WITH now
-- WITH until
local _ = redis.call('HLEN', items) + redis.call('ZCARD', expiries)
for i = 1, #ARGV, 3 do
  local item, ttl_ms, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local expiry = ttl_ms == '0' and '+inf' or string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
  if body == '' then
    redis.call('ZADD', expiries, 0, item)
  else
    redis.call('ZADD', expiries, expiry, item)
    redis.call('HSET', items, item, expiry .. ':' .. body)
  end
end
for _, item in ipairs(redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 16 + #ARGV)) do
  redis.call('ZREM', expiries, item)
  redis.call('HDEL', items, item)
end
live_until(expiries, KEYS)
