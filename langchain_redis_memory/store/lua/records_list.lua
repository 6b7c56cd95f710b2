-- Gives the records that were updated after and before given times (`-inf`, `+inf` or `(` and seconds), at most `limit`
-- of them (0: all): the oldest first, or group by group where escaped groups follow.
-- KEYS times members
-- ARGV after before limit ...
local most = tonumber(limit)
if #ARGV == 3 then
  return redis.call('ZRANGEBYSCORE', times, after, before, 'LIMIT', 0, most == 0 and -1 or most)
end
local found = {}
local oldest, newest = tonumber(string.match(after, '^%((.*)')), tonumber(string.match(before, '^%((.*)'))
for i = 4, #ARGV do
  for _, member in ipairs(redis.call('ZRANGEBYLEX', members, '[' .. ARGV[i] .. '/', '(' .. ARGV[i] .. '0')) do
    if most > 0 and #found == most then return found end
    local record = string.sub(member, #ARGV[i] + 2)
    local time = tonumber(redis.call('ZSCORE', times, record) or nil)
    if time and not (oldest and time <= oldest) and not (newest and time >= newest) then
      found[#found + 1] = record
    end
  end
end
return found
