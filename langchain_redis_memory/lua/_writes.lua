-- Fragment: `writes_at(name)` gives a checkpoint's writes as they are stored, and notes the lists in them (see `values`).
local function writes_at(name)
  local stored = redis.call('HGET', writes, name) or ''
  local parts = pieces(stored)
  for i = 4, #parts, 4 do
    if string.sub(parts[i], 1, 1) == '*' then want_list(parts[i - 1], parts[i]) end
  end
  return stored
end
