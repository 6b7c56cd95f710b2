-- Deletes checkpoints with their writes, values and list elements, if the thread is as it was at `revision`. After the
-- named arguments come `names` names (ns-NUL-id), then the fields of values and elements. With `dry` 1 nothing is
-- deleted. Returns the bytes that go, or -1 where the thread has changed.
-- KEYS checkpoints order blobs writes
-- ARGV revision dry names ...
-- WITH once
-- WITH pieces
-- WITH writes
if redis.call('HGET', checkpoints, '') ~= revision then return -1 end
local bytes, left, freed = 0, redis.call('HLEN', checkpoints) - redis.call('HEXISTS', checkpoints, 'owner') - 1 - names, {}
local function drop(key, field)
  local size = redis.call('HSTRLEN', key, field)
  if size > 0 then bytes = bytes + #field + size end
  if dry == '0' then redis.call('HDEL', key, field) end
end
for i = 4, 3 + names do
  drop(checkpoints, ARGV[i])
  local _, fields = writes_at(ARGV[i])
  for _, field in ipairs(fields) do drop(writes, field) end
  local ns, id = string.match(ARGV[i], '^([^%z]*)%z([^%z]*)$')
  if dry == '0' then redis.call('ZREM', order, 'n' .. ARGV[i], 'i' .. id .. '\0' .. ns) end
end
for i = 4 + names, #ARGV do
  drop(blobs, ARGV[i])
  local channel, number = string.match(ARGV[i], '^e(.*)%z(%d+)$')
  if channel then freed[channel] = freed[channel] or {} end
  if channel then freed[channel][tonumber(number)] = true end
end
if dry == '1' then return bytes end
for channel, numbers in pairs(freed) do -- their digests become zeros: numbers are never used again
  local digests, kept = redis.call('HGET', blobs, 'd' .. channel) or '', {}
  for number = 1, #digests / 16 do
    kept[number] = numbers[number] and string.rep('\0', 16) or string.sub(digests, 16 * number - 15, 16 * number)
  end
  redis.call('HSET', blobs, 'd' .. channel, table.concat(kept))
end
if left == 0 then redis.call('DEL', unpack(KEYS)) else redis.call('HINCRBY', checkpoints, '', 1) end
return bytes
