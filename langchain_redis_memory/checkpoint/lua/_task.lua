-- Fragment: `task_at(name, task)` gives the field of a task's writes at a checkpoint, what it holds, and for one that is new
-- what comes in front of its writes and the name of the checkpoint's first task, where that is another (see `_writes`).
local function task_at(name, task)
  if redis.call('HSTRLEN', writes, name) == 0 then return name, false, task end
  local names, stored = unpack(redis.call('HMGET', writes, name .. '\0\0', name .. '\0' .. task))
  local ends = string.match(names or '', '^<(.*)$')
  local first = pieces(ends or redis.call('HGET', writes, name), 1)[1]
  if first == task then return name, redis.call('HGET', writes, name) end
  -- Behind the first one's name is more than one where a process of before added a task.
  local link = ends and string.sub(ends, #(#first .. ':' .. first) + 1) or names or nil
  return name .. '\0' .. task, stored, link, first
end
