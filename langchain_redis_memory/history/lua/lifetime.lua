-- Moves the lifetime of one conversation's keys together (how: see `_live`) and returns 1 where it exists.
-- KEYS messages ids meta ...
-- ARGV ttl_ms how
-- WITH live
local left = redis.call('PTTL', meta)
if left == -2 then return 0 end
live(left, ttl_ms, how)
return 1
