-- Gives the messages just before a known one, oldest first, or nil where no message has that identity.
-- KEYS messages ids
-- ARGV identity count
local before = redis.call('ZRANK', ids, identity)
if not before then return false end
if redis.call('LLEN', messages) ~= redis.call('ZCARD', ids) then error('EVICTED') end
if before < 1 then return {} end
return redis.call('LRANGE', messages, math.max(0, before - tonumber(count)), before - 1)
