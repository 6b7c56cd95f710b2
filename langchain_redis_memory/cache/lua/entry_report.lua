-- Adds an observation to an entry's reports, which are words between spaces of which the newest `most` are kept.
-- Gives whether there is such an entry.
-- KEYS items expiries uses reports
-- ARGV name observation most
-- WITH once
if redis.call('HEXISTS', items, name) == 0 then return 0 end
local words = {}
for word in string.gmatch((redis.call('HGET', reports, name) or '') .. ' ' .. observation, '%S+') do
  words[#words + 1] = word
end
redis.call('HSET', reports, name, table.concat(words, ' ', math.max(1, #words - tonumber(most) + 1)))
local left = redis.call('PTTL', items)
if left >= 0 then redis.call('PEXPIRE', reports, left) else redis.call('PERSIST', reports) end
return 1
