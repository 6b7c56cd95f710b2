-- Looks at up to about `looked` items of one root from `low` to `high` (bounds as of ZRANGEBYLEX), and gives those that
-- live and hold every mark, of each namespace the oldest `most` (0: all): {where to go on or '', field, record, ...}; the
-- oldest `most` of them all are among them. `kind` is bare to leave out items with vectors, any to leave out none.
-- KEYS items item_names item_expiries
-- ARGV low high looked most kind ...
-- WITH now
-- WITH version
-- WITH items
local from, looks, limit, chunk, reply, space, taken = low, 0, tonumber(most), 16, {''}, nil, 0
local function holds(head, mark)
  local operator, bound = string.match(mark, '^([<>]=?) (.*)', 13)
  if not operator then return string.find(head, mark, 1, true) end
  local number, other = tonumber(string.match(head, string.sub(mark, 1, 12) .. '=(%S+)') or ''), tonumber(bound)
  if not number or not other then return false end
  if string.sub(operator, 1, 1) == '<' then number, other = other, number end
  return number > other or number == other and #operator == 2
end
local function wanted(record)
  local head = string.match(versioned(record), '^[^|]*')
  if kind == 'bare' and not string.find(head, '^\1%d+ %d+ %d+ %d+ 0 ') then return false end
  for i = 6, #ARGV do
    if not holds(head, ARGV[i]) then return false end
  end
  return true
end
while looks < tonumber(looked) do
  local members, fields = redis.call('ZRANGEBYLEX', item_names, from, high, 'LIMIT', 0, chunk), {}
  if #members == 0 then return reply end
  for i, member in ipairs(members) do fields[i] = field_of(member, space_of(member)) end
  local records = redis.call('HMGET', items, unpack(fields))
  from, looks, chunk = '(' .. members[#members], looks + #members, math.min(chunk * 2, 500)
  for i, field in ipairs(fields) do
    local here = space_of(field)
    if here ~= space then space, taken = here, 0 end
    if records[i] and wanted(records[i]) and alive(field, records[i]) then
      reply[#reply + 1], reply[#reply + 2], taken = field, records[i], taken + 1
      if taken == limit then
        from, chunk = '[' .. space .. '\1', 16
        break
      end
    end
  end
end
reply[1] = from
return reply
