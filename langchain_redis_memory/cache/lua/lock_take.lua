-- Takes a lock that nobody holds, with a number that is higher than that of every holder before (0: somebody holds it).
-- KEYS lock
-- ARGV token ttl_ms
-- WITH micros
local held = redis.call('GET', lock)
if held then return string.sub(held, -#token) == token and held or '0' end
local value = string.format('%.0f/', now) .. token
redis.call('SET', lock, value, 'PX', ttl_ms)
return value
