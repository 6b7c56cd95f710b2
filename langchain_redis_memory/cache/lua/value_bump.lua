-- Gives tags new tokens, so that nothing is served any more that was stored, or begun, under the old ones. A token lives as
-- long as what it makes stale, and a day at least: who began under the old one may still store.
-- KEYS values expiries
-- ARGV ...
-- WITH once
-- WITH micros
-- WITH until
local last = tonumber(redis.call('ZRANGE', expiries, -1, -1, 'WITHSCORES')[2] or 0)
local score = math.max(now / 1000 + 86400000, last)
for _, tag in ipairs(ARGV) do
  redis.call('HSET', values, 't' .. tag, string.format('%.0f', now))
  redis.call('ZADD', expiries, score == math.huge and '+inf' or string.format('%.0f', score), 't' .. tag)
end
live_until(expiries, KEYS)
return 1
