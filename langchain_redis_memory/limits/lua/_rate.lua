-- Fragment: the state of a rate. Times are microseconds since `born`, when its key was made: `tat` when all that was taken is
-- paid off, `back` the sum of what was given back, `booked` the latest start that waits, `slack` the least by which one who
-- waits starts before what was taken ahead of him is paid off, `recent` the newest that gave back, as ';mark:amount;...'.
local function rate_of(key)
  local born, tat, back, booked, slack, recent = string.match(redis.call('GET', key) or '',
    '^(%d+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  local state = {key = key, born = tonumber(born) or now, back = tonumber(back) or 0, booked = tonumber(booked) or 0}
  state.now, state.slack, state.recent = now - state.born, tonumber(slack) or 1e15, recent or ';'
  state.tat = math.max(tonumber(tat) or 0, state.now)
  return state
end
local function keep(state)
  local text = string.format('%.0f %.17g %.17g %.17g %.17g %s',
    state.born, state.tat, state.back, state.booked, state.slack, state.recent)
  redis.call('SET', state.key, text, 'PX', string.format('%.0f', math.ceil((state.tat - state.now) / 1000) + 1))
end
