-- Stores a checkpoint and its new channel values, all or nothing. Returns {digest, ...} of the list elements that are
-- neither stored nor sent; where there are any, nothing was written. After the named arguments come `refs` references
-- (channel, NUL, version), then `values` times: reference, channel, kind, body; then triples: channel, digest, element.
-- Kinds: `-` no value, `+` the body is the value, `*` the body is the digests of a list's elements.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms ns id parent rest refs values ...
-- WITH whole
-- WITH alive
-- WITH elements
if gone then return gone end
local start = 8 + refs
local sent, found, missing = {}, {}, {}
for i = start + 4 * values, #ARGV, 3 do sent['d' .. ARGV[i] .. '\0' .. ARGV[i + 1]] = ARGV[i + 2] end
for i = start, start + 4 * values - 1, 4 do
  if ARGV[i + 2] == '*' then
    found[i] = numbers(ARGV[i + 1], ARGV[i + 3])
    for _, field in ipairs(found[i]) do
      if string.sub(field, 1, 1) == 'd' and not sent[field] then missing[#missing + 1] = string.sub(field, -16) end
    end
  end
end
if #missing > 0 then return missing end
alive(ttl_ms)
for i = start, start + 4 * values - 1, 4 do
  local field, kind, body = 'b' .. ns .. '\0' .. ARGV[i], ARGV[i + 2], ARGV[i + 3]
  if found[i] then body = ranges(ARGV[i + 1], found[i], sent) end
  if kind == '-' then redis.call('HDEL', blobs, field) else redis.call('HSET', blobs, field, kind .. body) end
end
local parts = {#parent .. ':' .. parent}
for i = 8, start - 1 do
  local mark = redis.call('HGET', blobs, 'b' .. ns .. '\0' .. ARGV[i])
  parts[#parts + 1] = #ARGV[i] + 1 .. ':' .. (mark and string.sub(mark, 1, 1) or '-') .. ARGV[i]
end
local front = table.concat(parts)
redis.call('HSET', checkpoints, ns .. '\0' .. id, #front .. ':' .. front .. rest)
redis.call('ZADD', order, 0, 'n' .. ns .. '\0' .. id, 0, 'i' .. id .. '\0' .. ns)
redis.call('HINCRBY', checkpoints, '', 1)
return {}
