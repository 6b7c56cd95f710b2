-- Stores items of one shelf, each with its own lifetime (0: none), and removes some whose lifetime is over.
-- The arguments are triples (item, ttl_ms, body); what is stored is the time of the lapse, a colon and the body. An
-- item without a body is removed. Something else under one of the keys is found before anything is written.
-- KEYS items lapses
-- ARGV ...
-- WITH now
-- WITH until
local _ = redis.call('HLEN', items) + redis.call('ZCARD', lapses)
for i = 1, #ARGV, 3 do
  local item, ttl_ms, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local lapse = ttl_ms == '0' and '+inf' or string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
  if body == '' then
    redis.call('ZADD', lapses, 0, item)
  else
    redis.call('ZADD', lapses, lapse, item)
    redis.call('HSET', items, item, lapse .. ':' .. body)
  end
end
for _, item in ipairs(redis.call('ZRANGEBYSCORE', lapses, '-inf', now, 'LIMIT', 0, 16 + #ARGV)) do
  redis.call('ZREM', lapses, item)
  redis.call('HDEL', items, item)
end
live_until(lapses, KEYS)
