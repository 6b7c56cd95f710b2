-- Reads a value, and the tokens of some tags. Gives {now, version, left, fresh, delta, body, token...}: version 0 where there is
-- none, -1 where the cache is switched off; times in milliseconds from now (-1: no end); no body for the version `known`.
-- KEYS values
-- ARGV name known ...
-- WITH micros
-- WITH value
local reply = {text(now), '0', '-1', '-1', '0', ''}
if tonumber(redis.call('HGET', values, 's') or 0) > moment then
  reply[2] = '-1'
else
  local one = found(name)
  if one.there then
    reply[2], reply[5] = text(one.version), one.delta
    if one.expires > 0 then reply[3], reply[4] = text(one.expires - moment), text(math.max(0, one.fresh - moment)) end
    if reply[2] ~= known then reply[6] = one.body end
  end
end
for i = 3, #ARGV do reply[4 + i] = token(ARGV[i]) end
return reply
