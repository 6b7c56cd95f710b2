-- Gives checkpoints with all that they refer to: {records {ns-NUL-id, record, ...}, writes {...}, values, elements}, newest
-- first: the one with `id`, or at most `count` of those before the bound `before` (`id` empty), in a namespace
-- (`everywhere` 0: `before` is an id or empty) or in all (`everywhere` 1: `before` is id, NUL, namespace).
-- KEYS checkpoints order blobs writes
-- ARGV ns id everywhere before count ...
-- WITH whole
-- WITH owned
-- WITH pieces
-- WITH fetch
-- WITH values
-- WITH writes
-- WITH newest
if gone then return gone end
local names = {ns .. '\0' .. id}
if id == '' and everywhere == '0' then
  names = newest(ns, before, count)
elseif id == '' then
  local bound = '(i' .. (before == '' and '\255' or before)
  names = redis.call('ZREVRANGEBYLEX', order, bound, '[i', 'LIMIT', 0, count)
  for i, member in ipairs(names) do names[i] = string.gsub(member, '^i([^%z]*)%z([^%z]*)$', '%2\0%1') end
end
local records, notes = {}, {}
for _, name in ipairs(names) do
  local record = redis.call('HGET', checkpoints, name)
  if record then
    local space = string.match(name, '^[^%z]*')
    for i, reference in ipairs(front(record)) do
      if i > 1 then want(space, reference) end
    end
    records[#records + 1], records[#records + 2] = name, record
    notes[#notes + 1] = writes_at(name, want_list)
  end
end
local values, elements, lost = wanted()
return lost or {records, notes, values, elements}
