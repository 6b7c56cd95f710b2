-- Gives the token of an epoch, a new one where there is none, and sees to it that the epoch lives for `ttl_ms` more at
-- least (0: no end); to write seldom it is given twice that. A new token is `fresh` and the time, so that a call that is
-- sent again never brings a token back.
-- KEYS epoch
-- ARGV fresh ttl_ms
local token, left, wanted = redis.call('GET', epoch), redis.call('PTTL', epoch), tonumber(ttl_ms)
if not token then
  local clock = redis.call('TIME')
  token = fresh .. clock[1] .. '.' .. clock[2]
  redis.call('SET', epoch, token)
  left = 0
end
if wanted == 0 then
  if left >= 0 then redis.call('PERSIST', epoch) end
elseif left >= 0 and left < wanted then
  redis.call('PEXPIRE', epoch, string.format('%.0f', 2 * wanted))
end
return token
