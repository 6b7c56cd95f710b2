-- Moves the lifetime of one thread's keys together (how: see `_live`) and returns 1 where it exists and is not another
-- user's.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms how asker
-- WITH live
local left = redis.call('PTTL', checkpoints)
local owner = asker ~= '' and redis.call('HGET', checkpoints, 'owner')
if left == -2 or owner and owner ~= asker then return 0 end
live(left, ttl_ms, how)
return 1
