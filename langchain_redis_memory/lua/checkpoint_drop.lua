-- Deletes checkpoints with their writes, values and list elements, if the thread is as it was at `revision`. After the
-- named arguments come `checkpoints` names (ns-NUL-id), then the fields of values and elements. With `dry` 1 nothing is
-- deleted. Returns the bytes that go, or -1 where the thread has changed.
-- KEYS checkpoints order blobs writes
-- ARGV revision dry names ...
if redis.call('HGET', checkpoints, '') ~= revision then return -1 end
local bytes, left = 0, redis.call('HLEN', checkpoints) - 1 - names
local function drop(key, field)
  local value = redis.call('HGET', key, field)
  if value then bytes = bytes + #field + #value end
  if dry == '0' then redis.call('HDEL', key, field) end
  return value
end
for i = 4, 3 + names do
  drop(checkpoints, ARGV[i])
  drop(writes, ARGV[i])
  local ns, id = string.match(ARGV[i], '^([^%z]*)%z([^%z]*)$')
  if dry == '0' then redis.call('ZREM', order, 'n' .. ARGV[i], 'i' .. id .. '\0' .. ns) end
end
for i = 4 + names, #ARGV do
  local value = drop(blobs, ARGV[i])
  if value and string.sub(ARGV[i], 1, 1) == 'e' then
    local channel = string.match(ARGV[i], '^e(.*)%z%d+$')
    drop(blobs, 'd' .. channel .. '\0' .. string.sub(value, 1, 16))
  end
end
if dry == '0' then
  if left == 0 then redis.call('DEL', unpack(KEYS)) else redis.call('HINCRBY', checkpoints, '', 1) end
end
return bytes
