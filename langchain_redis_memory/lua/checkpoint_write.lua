-- Notes a task's writes at a checkpoint. After the named arguments come fours: name (task, NUL, index), task path, channel,
-- value. A name that is known is overwritten where its index is negative, else it stays as it is.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms ns id ...
-- WITH whole
-- WITH alive
-- WITH pieces
if gone then return gone end
alive(ttl_ms)
local field = ns .. '\0' .. id
local stored = redis.call('HGET', writes, field) or ''
local parts, known = pieces(stored), {}
for i = 1, #parts, 4 do known[parts[i]] = i end
local changed, added = false, {}
for i = 4, #ARGV, 4 do
  local old = known[ARGV[i]]
  if old and string.find(ARGV[i], '%z%-%d+$') then
    changed = true
    for j = 0, 3 do parts[old + j] = ARGV[i + j] end
  elseif not old then
    known[ARGV[i]] = #parts + 1
    for j = 0, 3 do
      parts[#parts + 1] = ARGV[i + j]
      added[#added + 1] = #ARGV[i + j] .. ':' .. ARGV[i + j]
    end
  end
end
if changed then
  for i, part in ipairs(parts) do parts[i] = #part .. ':' .. part end
  redis.call('HSET', writes, field, table.concat(parts))
elseif #added > 0 then
  redis.call('HSET', writes, field, stored .. table.concat(added))
end
return {}
