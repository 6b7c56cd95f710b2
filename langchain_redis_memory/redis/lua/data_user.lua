-- Notes that a conversation or a thread is a user's, for as long as it lives.
-- KEYS users
-- ARGV user ttl_ms
local left = redis.call('PTTL', users)
redis.call('SADD', users, user)
if ttl_ms == '0' then
  redis.call('PERSIST', users)
elseif left == -2 or (left >= 0 and left < tonumber(ttl_ms)) then
  redis.call('PEXPIRE', users, ttl_ms)
end
