-- Stores the vectors of one owner for the Query Engine, each a key of its own (the first, then the first with a number),
-- and removes those it had beyond. `attributes` are words between commas, `numbers` fields and values between spaces. No
-- vector removes all.
-- KEYS point
-- ARGV collection owner ttl_ms attributes numbers field ...
-- WITH once
local had = tonumber(redis.call('HGET', point, 'count') or 0)
for i = 0, math.max(had, #ARGV - 6) - 1 do
  local key = i == 0 and point or point .. i
  redis.call('DEL', key)
  if i < #ARGV - 6 then
    redis.call('HSET', key, 'collection', collection, 'owner', owner, 'tags', attributes, field, ARGV[7 + i])
    for slot, number in string.gmatch(numbers, '(%S+) (%S+)') do redis.call('HSET', key, slot, number) end
    if i == 0 then redis.call('HSET', key, 'count', #ARGV - 6) end
    if ttl_ms ~= '0' then redis.call('PEXPIRE', key, ttl_ms) end
  end
end
return 1
