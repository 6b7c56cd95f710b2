-- Looks at up to `looked` items of one root with a field from `low` to `high` (bounds as of ZRANGEBYLEX), and gives the
-- oldest `most` (0: all) of those that live and hold every mark: {last field or '', field, record, field, record, ...},
-- '' where there are no more to look at. `kind` is bare to leave out items with vectors, any to leave out none.
-- KEYS items item_names item_lapses
-- ARGV low high looked most kind ...
-- WITH now
-- WITH items
local fields = redis.call('ZRANGEBYLEX', item_names, low, high, 'LIMIT', 0, looked)
local found, limit = {}, tonumber(most)
local function wanted(record)
  local head = string.match(record, '^[^|]*')
  if kind == 'bare' and not string.find(head, '^%d+ %d+ %d+ %d+ 0 ') then return false end
  for i = 6, #ARGV do
    if not string.find(head, ARGV[i], 1, true) then return false end
  end
  return true
end
for start = 1, #fields, 500 do
  local stop = math.min(start + 499, #fields)
  local records = redis.call('HMGET', items, unpack(fields, start, stop))
  for i = start, stop do
    local record = records[i - start + 1]
    if record and wanted(record) and alive(fields[i], record) then found[#found + 1] = {fields[i], record} end
  end
end
if limit > 0 then
  for _, one in ipairs(found) do one[3] = string.sub(one[2], 1, 33) end
  table.sort(found, function(a, b) return a[3] < b[3] end)
end
local reply = {#fields == tonumber(looked) and fields[#fields] or ''}
for i = 1, limit > 0 and math.min(limit, #found) or #found do
  reply[#reply + 1], reply[#reply + 2] = found[i][1], found[i][2]
end
return reply
