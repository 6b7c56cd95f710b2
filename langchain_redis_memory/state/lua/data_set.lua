-- Stores one value of a conversation's data, for a time or (0) as long as the conversation, and removes some whose time is
-- over. What is stored is the format's version, the time of its expire, a colon and the body. Data without a conversation lives for `own_ms` (0:
-- for ever) from its last write, never shorter.
-- KEYS data data_expiries meta
-- ARGV name body ttl_ms own_ms
-- WITH once
-- WITH now
local own, left, _ = redis.call('PTTL', data), redis.call('PTTL', meta), redis.call('ZCARD', data_expiries)
local expiry = ttl_ms == '0' and '0' or string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
redis.call('HSET', data, name, '\1' .. expiry .. ':' .. body)
redis.call('ZREM', data_expiries, name)
if expiry ~= '0' then redis.call('ZADD', data_expiries, expiry, name) end
for _, over in ipairs(redis.call('ZRANGEBYSCORE', data_expiries, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('HDEL', data, over)
  redis.call('ZREM', data_expiries, over)
end
if left == -2 then left = (own_ms == '0' or own == -1) and -1 or math.max(own, tonumber(own_ms)) end
for _, key in ipairs({data, data_expiries}) do
  if left == -1 then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, string.format('%.0f', left)) end
end
