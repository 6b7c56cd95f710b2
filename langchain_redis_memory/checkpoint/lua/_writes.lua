-- Fragment: a checkpoint's writes. The first task's are in the checkpoint's own field, after its name; the names of the
-- others are under NUL NUL, and each has a field. `fields_at(name)` gives {task, field, ...}, `writes_at(name)` {task,
-- writes, ...}; `lists_in(stored, note)` calls note(channel, spelled) for each list in what `writes_at` gave.
local function fields_at(name)
  local first = redis.call('HGET', writes, name)
  if not first then return {} end
  local found = {pieces(first, 1)[1] or error('UNREADABLE'), name}
  for _, task in ipairs(pieces(redis.call('HGET', writes, name .. '\0\0') or '')) do
    found[#found + 1], found[#found + 2] = task, name .. '\0' .. task
  end
  return found
end
local function writes_at(name)
  local stored = fields_at(name)
  for i = 2, #stored, 2 do
    local value = redis.call('HGET', writes, stored[i]) or ''
    stored[i] = i == 2 and string.sub(value, #(#stored[1] .. ':') + #stored[1] + 1) or value
  end
  return stored
end
local function lists_in(stored, note)
  for i = 2, #stored, 2 do
    local parts = pieces(stored[i])
    for j = 4, #parts, 4 do
      if string.sub(parts[j], 1, 1) == '*' then note(parts[j - 1], string.sub(parts[j], 2)) end
    end
  end
  return stored
end
