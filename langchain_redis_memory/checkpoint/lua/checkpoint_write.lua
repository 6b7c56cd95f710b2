-- Notes a task's writes at a checkpoint. Returns {digest, ...} of the list elements that are neither stored nor sent;
-- where there are any, nothing was written. After the named arguments come `count` times: index, task path, channel, value
-- (`+` and a blob, or `*` and digests of elements); then triples: channel, digest, element. A known index stays, unless < 0.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms ns id task count ...
-- WITH once
-- WITH whole
-- WITH owned
-- WITH live
-- WITH alive
-- WITH runs
-- WITH elements
-- WITH pieces
-- WITH task
if gone then return gone, false end
local sent, found, missing = {}, {}, {}
for i = 6 + 4 * count, #ARGV, 3 do sent[ARGV[i] .. ARGV[i + 1]] = ARGV[i + 2] end
for i = 6, 5 + 4 * count, 4 do
  if string.sub(ARGV[i + 3], 1, 1) == '*' then
    found[i] = runs(ARGV[i + 2], string.sub(ARGV[i + 3], 2))
    lacking(ARGV[i + 2], found[i], sent, missing)
  end
end
if #missing > 0 then return missing, false end
alive(ttl_ms, next(found) and 1 or 0) -- with lists: who is about to free elements has to look again
local name = ns .. '\0' .. id
local field, stored, front, first = task_at(name, task)
local parts, known = stored and pieces(stored) or {front}, {}
for i = 1 + #parts % 4, #parts, 4 do known[parts[i]] = i end
for i = 6, 5 + 4 * count, 4 do
  local place = known[ARGV[i]]
  if not place or tonumber(ARGV[i]) < 0 then
    known[ARGV[i]] = place or #parts + 1
    for j = 0, 3 do parts[known[ARGV[i]] + j] = ARGV[i + j] end
    if found[i] then parts[known[ARGV[i]] + 3] = '*' .. ranges(ARGV[i + 2], found[i], sent) end
  end
end
store()
for i, part in ipairs(parts) do parts[i] = #part .. ':' .. part end
local ends = first and not stored and {name .. '\0\0', '<' .. #first .. ':' .. first .. #task .. ':' .. task} or {}
redis.call('HSET', writes, field, table.concat(parts), unpack(ends))
return written()
