-- Gives the messages just before a known one, oldest first, or nil where no message has that identity.
-- KEYS messages ids
-- ARGV identity count
local place = redis.call('LPOS', ids, identity)
if not place then return false end
local before = place + redis.call('LLEN', messages) - redis.call('LLEN', ids)
if before < 1 then return {} end
return redis.call('LRANGE', messages, math.max(0, before - tonumber(count)), before - 1)
