-- Notes in a user's index that something of theirs is stored and until when, and forgets some that has expired.
-- KEYS user_data
-- ARGV member ttl_ms
-- WITH now
-- WITH until
local known = redis.call('ZSCORE', user_data, member)
local expiry = '+inf'
if ttl_ms ~= '0' and tostring(known) ~= 'inf' then
  expiry = string.format('%.0f', math.max(tonumber(known or 0), tonumber(now) + tonumber(ttl_ms)))
end
redis.call('ZADD', user_data, expiry, member)
for _, over in ipairs(redis.call('ZRANGEBYSCORE', user_data, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('ZREM', user_data, over)
end
live_until(user_data, KEYS)
