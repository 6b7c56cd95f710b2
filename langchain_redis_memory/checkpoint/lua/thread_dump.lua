-- Gives all that a thread's keys hold, {hash, names, hash, hash} in the order of the keys, or nothing where there is none.
-- KEYS checkpoints order blobs writes
-- ARGV
-- WITH whole
if gone then return gone end
if redis.call('EXISTS', checkpoints) == 0 then return {} end
local names = redis.call('ZRANGE', order, 0, -1)
return {redis.call('HGETALL', checkpoints), names, redis.call('HGETALL', blobs), redis.call('HGETALL', writes)}
