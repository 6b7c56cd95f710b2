-- Lets a lease last longer from now, for its holder only. Returns 1 where it is still held.
-- KEYS lease
-- ARGV token ttl_ms
if redis.call('GET', lease) ~= token then return 0 end
return redis.call('PEXPIRE', lease, ttl_ms)
