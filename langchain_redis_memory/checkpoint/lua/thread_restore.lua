-- Makes a thread of what another one holds. Returns 0, and changes nothing, where there is one already. After the named
-- arguments come the names of `order`, then field and value of each entry of the hashes, as many as their sizes say.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms names checkpoint_size blob_size write_size ...
if redis.call('EXISTS', unpack(KEYS)) > 0 then return 0 end
local at = 6
for _ = 1, names do
  redis.call('ZADD', order, 0, ARGV[at])
  at = at + 1
end
for i, size in ipairs({checkpoint_size, blob_size, write_size}) do
  for _ = 1, size do
    redis.call('HSET', KEYS[i == 1 and 1 or i + 1], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
for _, key in ipairs(KEYS) do
  if ttl_ms ~= '0' then redis.call('PEXPIRE', key, ttl_ms) end
end
return 1
