-- Stores and removes items of one root: after the named arguments come pairs (field, tail), the tail being the record
-- from its ttl_ms on; an empty one removes. A known item keeps its time of birth. `span_ms` is the longest lifetime that
-- the index of roots has just been told of. Returns how many vectors each item had before, or nil where more than `most`
-- (0: no bound) items are stored and so nothing was done.
-- KEYS items item_names item_expiries
-- ARGV most span_ms ...
-- WITH once
-- WITH now
-- WITH version
-- WITH items
local limit = tonumber(most)
if limit > 0 and redis.call('ZCARD', item_names) > limit then return false end
local before, noted = string.match(redis.call('HGET', items, '') or '', '^(%d+) (%d+)')
local stamp = math.max(clock[1] * 1000000 + clock[2], tonumber(before or 0) + 1)
noted = math.max(tonumber(noted or 0), tonumber(now) + 1.5 * tonumber(span_ms))
local had = {}
for i = 3, #ARGV, 2 do versioned(redis.call('HGET', items, ARGV[i])) end
for i = 3, #ARGV, 2 do
  local field, tail = ARGV[i], ARGV[i + 1]
  local known = redis.call('HGET', items, field)
  had[#had + 1] = known and string.match(known, '^\1%d+ %d+ %d+ %d+ (%d+)') or '0'
  if known and (tail == '' or not alive(field, known)) then
    drop(field)
    known = false
  end
  if tail ~= '' then
    local born = string.format('%.0f', stamp)
    local birth = known and string.sub(known, 2, 34)
    if not birth then
      local space = space_of(field)
      local range = {'[' .. space .. '\0', '(' .. space .. '\1', 'LIMIT', 0, 1}
      local eldest = redis.call('ZRANGEBYLEX', item_names, unpack(range))[1]
      local elder = eldest and redis.call('HGET', items, field_of(eldest, space))
      birth = (elder and string.sub(elder, 2, 17) or born) .. ' ' .. born
      redis.call('ZADD', item_names, 0, member_of(field, born))
    end
    redis.call('HSET', items, field, '\1' .. birth .. ' ' .. born .. ' ' .. tail, '', string.format('%s %.0f', born, noted))
    local expiry = string.format('%.0f', tonumber(now) + tonumber(string.match(tail, '^%d+')))
    redis.call(expiry == now and 'ZREM' or 'ZADD', item_expiries, unpack(expiry == now and {field} or {expiry, field}))
    stamp = stamp + 1
  end
end
settle()
return had
