-- Takes a lease that nobody else holds, for a time; whoever holds it already takes it anew. Returns 1 where it is held.
-- KEYS lease
-- ARGV token ttl_ms
local holder = redis.call('GET', lease)
if holder and holder ~= token then return 0 end
redis.call('SET', lease, token, 'PX', ttl_ms)
return 1
