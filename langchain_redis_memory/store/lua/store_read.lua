-- Gives items of one root: {0, record or nil, ...}. After each field comes 1 where reading also gives the item its
-- lifetime anew; a server that refuses that write is still read. No item is made to outlive what the index of roots knows
-- of: where that would be, the reply begins with 1, and `noted` says the next time that the index has been told.
-- KEYS items item_names item_expiries
-- ARGV noted ...
-- WITH now
-- WITH version
-- WITH items
local found, moved = {0}, false
for i = 2, #ARGV, 2 do
  local field = ARGV[i]
  local record = redis.call('HGET', items, field)
  if not alive(field, record) then record = false end
  local ttl = record and ttl_of(record) or 0
  if ttl > 0 and ARGV[i + 1] == '1' then
    local stamp, till = string.match(redis.call('HGET', items, '') or '', '^(%d+) (%d+)')
    if noted == '1' and stamp and tonumber(now) + 1.5 * ttl > tonumber(till) then
      till = string.format('%.0f', tonumber(now) + 1.5 * ttl)
      redis.pcall('HSET', items, '', stamp .. ' ' .. till)
    end
    if till and tonumber(now) + ttl > tonumber(till) then
      found[1] = 1
    else
      local expiry = string.format('%.0f', tonumber(now) + ttl)
      moved = type(redis.pcall('ZADD', item_expiries, expiry, field)) == 'number' or moved
    end
  end
  found[#found + 1] = record
end
if moved then settle() end
return found
