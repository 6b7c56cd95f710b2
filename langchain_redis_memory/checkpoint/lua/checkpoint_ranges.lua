-- Gives how lists are spelled (`1-57,60`): one text for each of `count` named values, empty where it is no list; then for
-- each named checkpoint (ns-NUL-id) the lists in its writes: {channel, text, ...}; then for those that wait for theirs.
-- KEYS checkpoints order blobs writes
-- ARGV count ...
-- WITH pieces
-- WITH writes
local spelled, named = {}, {['']=true}
local function lists_at(name)
  local lists = {}
  writes_at(name, function(channel, text) lists[#lists + 1], lists[#lists + 2] = channel, text end)
  named[name], spelled[#spelled + 1] = true, lists
end
for i = 2, #ARGV do
  if i <= 1 + count then
    local value = redis.call('HGET', blobs, ARGV[i]) or ''
    spelled[i - 1] = string.sub(value, 1, 1) == '*' and string.sub(value, 2) or ''
  else
    lists_at(ARGV[i])
  end
end
for _, name in ipairs(redis.call('HKEYS', writes)) do
  if not named[name] and not string.find(name, '%z.*%z') then lists_at(name) end
end
return spelled
