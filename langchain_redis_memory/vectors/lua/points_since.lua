-- Gives up to `most` changes of a collection after the stamp `since`, oldest first: {stamp reached, the newest stamp, 1
-- where the reader must forget what it knew, owner, record, owner, record, ...}; no record where a point is gone. Who reads
-- vectors of other `dims` than those that are there is refused, as by a vector set.
-- KEYS points point_owners
-- ARGV since most dims
-- WITH dims
local known = redis.call('HMGET', points, 'stamp', 'floor', 'dims')
if (known[3] or dims) ~= dims then return mismatch(known[3]) end
local newest = known[1] or '0'
if newest == since then return {since, newest, 0} end
local anew = tonumber(since) < tonumber(known[2] or 0) or tonumber(since) > tonumber(newest)
local after = anew and '-inf' or '(' .. since
local changed = redis.call('ZRANGEBYSCORE', point_owners, after, '+inf', 'WITHSCORES', 'LIMIT', 0, most)
local reply = {newest, newest, anew and 1 or 0}
if #changed == 2 * tonumber(most) then reply[1] = string.format('%.0f', tonumber(changed[#changed])) end
for i = 1, #changed, 2 do
  reply[#reply + 1] = changed[i]
  reply[#reply + 1] = redis.call('HGET', points, 'p' .. changed[i])
end
return reply
