-- Gives how lists are spelled (`1-57,60`): one text for each of `count` named values, empty where it is no list; then for
-- each named checkpoint (ns-NUL-id) the lists in its writes: {channel, text, ...}.
-- KEYS checkpoints order blobs writes
-- ARGV count ...
-- WITH pieces
local spelled = {}
for i = 2, #ARGV do
  if i <= 1 + count then
    local value = redis.call('HGET', blobs, ARGV[i]) or ''
    spelled[#spelled + 1] = string.sub(value, 1, 1) == '*' and string.sub(value, 2) or ''
  else
    local parts, lists = pieces(redis.call('HGET', writes, ARGV[i]) or ''), {}
    for j = 4, #parts, 4 do
      if string.sub(parts[j], 1, 1) == '*' then
        lists[#lists + 1], lists[#lists + 2] = parts[j - 1], string.sub(parts[j], 2)
      end
    end
    spelled[#spelled + 1] = lists
  end
end
return spelled
