-- Fragment: `writes_at(name)` gives a checkpoint's writes as they are stored, {task, writes, ...}; `lists_in(stored, note)`
-- calls note(channel, spelled) for each list in them.
local function writes_at(name)
  local stored = {}
  for _, task in ipairs(pieces(redis.call('HGET', writes, name) or '')) do
    stored[#stored + 1], stored[#stored + 2] = task, redis.call('HGET', writes, name .. '\0' .. task) or ''
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
