-- Makes a thread from the dumps of another. Returns 0, and changes nothing, where there is one already.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms ...
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
for i, key in ipairs(KEYS) do redis.call('RESTORE', key, ttl_ms, ARGV[i + 1]) end
return 1
