-- Gives one page of an agent's sessions, most recently active first: {session, active_ms, session, active_ms, ...}.
-- KEYS sessions
-- ARGV highest skip count
local page = redis.call('ZREVRANGEBYSCORE', sessions, highest, '-inf', 'WITHSCORES', 'LIMIT', skip, count)
for i = 2, #page, 2 do page[i] = string.format('%.0f', tonumber(page[i])) end
return page
