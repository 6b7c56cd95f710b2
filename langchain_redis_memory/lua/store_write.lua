-- Stores and removes items of one root: after the named argument come pairs (field, tail), the tail being the record
-- from its ttl_ms on; an empty one removes. A known item keeps its time of birth. Returns how many vectors each item had
-- before, or nil where more than `most` (0: no bound) items are stored and so nothing was done.
-- KEYS items item_names item_lapses
-- ARGV most ...
-- WITH now
-- WITH items
local limit = tonumber(most)
if limit > 0 and redis.call('ZCARD', item_names) > limit then return false end
local stamp = math.max(clock[1] * 1000000 + clock[2], tonumber(redis.call('HGET', items, '') or 0) + 1)
local had = {}
for i = 2, #ARGV, 2 do
  local field, tail = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', items, field)
  had[#had + 1] = known and string.match(known, '^%d+ %d+ %d+ %d+ (%d+)') or '0'
  if known and not alive(field, known) then
    drop(field)
    known = false
  end
  if tail == '' then
    if known then drop(field) end
  else
    local born = string.format('%.0f', stamp)
    local birth = known and string.sub(known, 1, 33)
    if not birth then
      local space = space_of(field)
      local range = {'[' .. space .. '\0', '(' .. space .. '\1', 'LIMIT', 0, 1}
      local sibling = redis.call('ZRANGEBYLEX', item_names, unpack(range))[1]
      local elder = sibling and redis.call('HGET', items, sibling)
      birth = (elder and string.sub(elder, 1, 16) or born) .. ' ' .. born
    end
    redis.call('HSET', items, field, birth .. ' ' .. born .. ' ' .. tail, '', born)
    redis.call('ZADD', item_names, 0, field)
    local ttl = tonumber(string.match(tail, '^%d+'))
    if ttl > 0 then redis.call('ZADD', item_lapses, string.format('%.0f', tonumber(now) + ttl), field)
    elseif known then redis.call('ZREM', item_lapses, field) end
    stamp = stamp + 1
  end
end
settle()
return had
