-- Gives a thread's keys as the server's own dumps, or nothing where it does not exist.
-- KEYS checkpoints order blobs writes
-- ARGV
-- WITH whole
if gone then return gone end
local dumps = {}
for i, key in ipairs(KEYS) do dumps[i] = redis.call('DUMP', key) or nil end
return dumps
