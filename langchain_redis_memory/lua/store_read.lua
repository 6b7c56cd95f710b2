-- Gives the records of items of one root, nil for one that does not exist. After each field comes 1 where reading also
-- gives the item its lifetime anew; a server that refuses that write is still read.
-- KEYS items item_names item_lapses
-- ARGV ...
-- WITH now
-- WITH items
local found, moved = {}, false
for i = 1, #ARGV, 2 do
  local field = ARGV[i]
  local record = redis.call('HGET', items, field)
  if not alive(field, record) then record = false end
  local ttl = record and ttl_of(record) or 0
  if ttl > 0 and ARGV[i + 1] == '1' then
    local lapse = string.format('%.0f', tonumber(now) + ttl)
    moved = type(redis.pcall('ZADD', item_lapses, lapse, field)) == 'number' or moved
  end
  found[#found + 1] = record
end
if moved then settle() end
return found
