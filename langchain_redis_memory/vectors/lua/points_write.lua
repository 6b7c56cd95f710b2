-- Stores and removes points of a collection that clients search by themselves: triples (owner, ttl_ms, record), no record
-- removes. Each change gets a stamp of its own in `point_owners`, so a client can ask for what has changed since; what is
-- removed keeps its stamp for an hour, and who has been away for longer (before `floor`) reads everything again. Vectors of
-- other `dims` than are there are refused, as by a vector set.
-- KEYS points point_owners point_expiries
-- ARGV dims ...
-- WITH once
-- WITH now
-- WITH points
-- WITH dims
local _ = redis.call('ZCARD', point_owners) + redis.call('ZCARD', point_expiries) -- of another type: nothing is written
local known = redis.call('HMGET', points, 'stamp', 'floor', 'dims')
local has = known[3] or dims
if dims ~= '' and dims ~= has then return mismatch(has) end
local stamp = math.max(clock[1] * 1000000 + clock[2], tonumber(known[1] or 0) + 1)
local floor = known[2] or string.format('%.0f', stamp)
local function change(owner, ttl)
  redis.call('ZADD', point_owners, string.format('%.0f', stamp), owner)
  expiries(owner, ttl)
  stamp = stamp + 1
end
local function remove(owner)
  if redis.call('HDEL', points, 'p' .. owner) == 1 then change(owner, 3600000) end
end
for i = 2, #ARGV, 3 do
  if ARGV[i + 2] == '' then
    remove(ARGV[i])
  else
    redis.call('HSET', points, 'p' .. ARGV[i], ARGV[i + 2])
    change(ARGV[i], tonumber(ARGV[i + 1]))
  end
end
for _, owner in ipairs(expired()) do
  if redis.call('HEXISTS', points, 'p' .. owner) == 1 then
    remove(owner)
  else
    floor = string.format('%.0f', math.max(tonumber(floor), tonumber(redis.call('ZSCORE', point_owners, owner) or 0)))
    for _, key in ipairs({point_owners, point_expiries}) do redis.call('ZREM', key, owner) end
  end
end
local told = has ~= '' and {'dims', has} or {} -- a removal does not know, and before it was not noted
redis.call('HSET', points, 'stamp', string.format('%.0f', stamp), 'floor', floor, unpack(told))
if redis.call('HLEN', points) == 2 + #told / 2 then return redis.call('DEL', unpack(KEYS)) end
outlive(redis.call('ZCARD', point_owners), true)
return 1
