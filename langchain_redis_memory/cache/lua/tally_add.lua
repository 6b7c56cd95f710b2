-- Adds counts to statistics, in the hour that it is by the server's clock: pairs (name, count). Hours that are older than
-- `keep` are removed when a new one begins; all of it goes when nothing was counted for so long.
-- KEYS tally
-- ARGV keep ...
-- WITH now
local hour = string.format('%.0f', math.floor(clock[1] / 3600))
if redis.call('HGET', tally, 'hour') ~= hour then
  for _, name in ipairs(redis.call('HKEYS', tally)) do
    local past = tonumber(string.match(name, '^(%d+)/'))
    if past and past <= tonumber(hour) - tonumber(keep) then redis.call('HDEL', tally, name) end
  end
  redis.call('HSET', tally, 'hour', hour)
end
for i = 2, #ARGV, 2 do
  local name = hour .. '/' .. ARGV[i]
  local added = redis.pcall('HINCRBY', tally, name, ARGV[i + 1])
  if type(added) == 'table' then redis.call('HSET', tally, name, ARGV[i + 1]) end -- what stood there is no number
end
redis.call('EXPIRE', tally, string.format('%.0f', tonumber(keep) * 3600))
return 1
