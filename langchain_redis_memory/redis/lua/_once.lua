-- Fragment: lets the script run once for each trip, however often that is sent. The last key is the trip's own; for a
-- minute it holds the reply, which is all that a trip that was sent again gets. A script may return a second value, to be
-- remembered in place of the first; false where it changed nothing.
local trip = table.remove(KEYS)
local function once(body)
  local told = redis.call('GET', trip)
  if told then
    redis.call('PEXPIRE', trip, 60000) -- a write, so that a WAIT behind it has something to wait for
    return cjson.decode(told)[1]
  end
  local reply, known = body()
  if known == nil then known = reply end
  if known == false and reply then return reply end
  redis.call('SET', trip, cjson.encode({known}), 'PX', 60000)
  return reply
end
