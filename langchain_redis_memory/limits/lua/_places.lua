-- Fragment: places. `places` has who holds one, '+token', scored by when the lease ends in milliseconds, and who waits,
-- '-token', scored by when to have asked again; `queue` has who waits in the order in which they came.
local moment = math.floor(now / 1000)
local function text(number) return string.format('%.0f', number) end
local function turn(places, queue, count) -- how many have to leave before the token enters, and how many are in
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', places, '-inf', text(moment))) do
    redis.call('ZREM', places, gone)
    redis.call('ZREM', queue, string.sub(gone, 2))
  end
  local waiting = redis.call('ZCARD', queue)
  local held = redis.call('ZCARD', places) - waiting
  if redis.call('ZSCORE', places, '+' .. token) then return 0, held end
  return math.max(0, (redis.call('ZRANK', queue, token) or waiting) + 1 + held - tonumber(count)), held
end
local function line_up(places, queue, ms)
  redis.call('ZADD', queue, 'NX', text(now), token)
  redis.call('ZADD', places, text(moment + tonumber(ms)), '-' .. token)
  live_until(places, {places, queue})
end
local function enter(places, queue, ms)
  redis.call('ZREM', queue, token)
  redis.call('ZREM', places, '-' .. token)
  redis.call('ZADD', places, text(moment + tonumber(ms)), '+' .. token)
  live_until(places, {places, queue})
end
