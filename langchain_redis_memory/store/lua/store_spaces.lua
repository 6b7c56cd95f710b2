-- Gives the namespaces of one root that hold an item, in order, cut to `depth` labels (-1: whole), by jumping from one to
-- the next within the bounds (as of ZRANGEBYLEX): {where to go on or '', namespace, namespace, ...}.
-- KEYS items item_names item_expiries
-- ARGV low high depth jumps
-- WITH now
-- WITH version
-- WITH items
local deepest, reply = tonumber(depth), {''}
local from = low
for _ = 1, tonumber(jumps) do
  local member = redis.call('ZRANGEBYLEX', item_names, from, high, 'LIMIT', 0, 1)[1]
  if not member then return reply end
  local field = field_of(member, space_of(member))
  if alive(field, redis.call('HGET', items, field)) then
    local space, stop, labels = space_of(field), 0, 0
    for place in string.gmatch(space, '[^%z]+()') do
      labels = labels + 1
      if labels == deepest then stop = place end
    end
    local whole = deepest < 0 or labels < deepest
    if not whole then space = string.sub(space, 1, stop) end
    reply[#reply + 1] = space
    if not whole and space == '' then return reply end
    from = whole and '[' .. space .. '\1' or '[' .. string.sub(space, 1, -2) .. '\1'
  else
    from = '(' .. member
  end
end
reply[1] = from
return reply
