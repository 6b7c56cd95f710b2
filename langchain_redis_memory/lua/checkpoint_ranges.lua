-- Gives for each named value how its list is spelled (`1-57,60-60`), or an empty text where it is no list.
-- KEYS checkpoints order blobs writes
-- ARGV ...
local spelled = {}
for i, field in ipairs(ARGV) do
  local value = redis.call('HGET', blobs, field) or ''
  spelled[i] = string.sub(value, 1, 1) == '*' and string.sub(value, 2) or ''
end
return spelled
