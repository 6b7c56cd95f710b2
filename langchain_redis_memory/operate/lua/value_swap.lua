-- Replaces values of a key that are still what was read, all of them or none. Returns 1 where they stand.
-- The arguments after the type are triples (field or place, what was read, what is to stand there).
-- KEYS key
-- ARGV kind ...
local read = {hash = 'HGET', list = 'LINDEX'}
local write = {hash = 'HSET', list = 'LSET'}
for i = 2, #ARGV, 3 do
  local now = read[kind] and redis.call(read[kind], key, ARGV[i]) or not read[kind] and redis.call('GET', key)
  if now ~= ARGV[i + 1] then return 0 end
end
for i = 2, #ARGV, 3 do
  if write[kind] then
    redis.call(write[kind], key, ARGV[i], ARGV[i + 2])
  else
    redis.call('SET', key, ARGV[i + 2], 'KEEPTTL')
  end
end
return 1
