-- Fragment: a checkpoint's writes. The first task's are in the checkpoint's own field, behind its name. Each other task has a
-- field, where the names of tasks before it come first, if there are any: a chain from the newest to the oldest. Under NUL NUL
-- are `<`, the first one's name and the newest's, so adding a task takes as long however many there are. (Threads of before
-- have the names of all others there, and none in front of their writes.)
-- `writes_at(name, note)` gives {task, what its field holds, ...} and the fields; note(channel, spelled) is told each list.
local function writes_at(name, note)
  local own = redis.call('HGET', writes, name)
  if not own then return {}, {} end
  local tasks, found, fields, seen = {pieces(own, 1)[1] or error('UNREADABLE')}, {}, {name .. '\0\0'}, {}
  local function go_on(names)
    for _, task in ipairs(pieces(names)) do tasks[#tasks + 1] = task end
  end
  go_on(string.match(redis.call('HGET', writes, name .. '\0\0') or '', '^<?(.*)$'))
  local at = 1
  while tasks[at] do
    local task, field = tasks[at], at == 1 and name or name .. '\0' .. tasks[at]
    if not seen[task] then
      local value = at == 1 and own or redis.call('HGET', writes, field) or error('UNREADABLE')
      local parts = pieces(value)
      local front = #parts % 4
      if front > 1 or at + front == 1 then error('UNREADABLE') end
      if front == 1 and at > 1 then go_on(parts[1]) end
      for i = 4 + front, #parts, 4 do
        if note and string.sub(parts[i], 1, 1) == '*' then note(parts[i - 1], string.sub(parts[i], 2)) end
      end
      found[#found + 1], found[#found + 2] = task, value
      seen[task], fields[#fields + 1] = true, field
    end
    at = at + 1
  end
  return found, fields
end
