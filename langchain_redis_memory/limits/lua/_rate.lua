-- Fragment: the state of a rate. Times are microseconds since `born`, when its key was made: `tat` when all that was taken is
-- paid off, `back` the sum of what was given back, `recent` the newest that gave back, as ';mark:amount;...'. Of those who
-- wait in two generations, that the minimum forgets who has started: `booked` the latest start, `slack` the least that would
-- not be paid off at one's start if nothing of his own were taken. Where nothing is booked or given back, `born tat` is all.
local function rate_of(key)
  local kept = redis.call('GET', key) or ''
  local born, tat, back, booked, slack, booked2, slack2, recent = string.match(kept,
    '^(%d+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (;%S*)$')
  if not born then born, tat = string.match(kept, '^(%d+) (%S+)$') end
  if born and tonumber(born) > now then born, tat, back, booked, slack, booked2, slack2, recent = nil end -- a clock went back
  local state = {key = key, born = tonumber(born) or now, back = tonumber(back) or 0, recent = recent or ';'}
  state.now = now - state.born
  state.tat = math.max(tonumber(tat) or 0, state.now)
  state.booked, state.slack = tonumber(booked) or 0, tonumber(slack) or 1e15
  state.booked2, state.slack2 = tonumber(booked2) or 0, tonumber(slack2) or 1e15
  if state.booked <= state.now then
    state.booked, state.slack, state.booked2, state.slack2 = state.booked2, state.slack2, 0, 1e15
  end
  return state
end
local function book(state, start)
  state.booked2 = math.max(state.booked2, start)
  state.slack2 = math.min(state.slack2, math.max(0, state.tat - start))
end
local function keep(state)
  local text = string.format('%.0f %.17g', state.born, state.tat)
  if state.back ~= 0 or state.booked ~= 0 or state.booked2 ~= 0 or state.recent ~= ';' then
    text = string.format('%s %.17g %.17g %.17g %.17g %.17g %s', text, state.back,
      state.booked, state.slack, state.booked2, state.slack2, state.recent)
  end
  redis.call('SET', state.key, text, 'PX', string.format('%.0f', math.ceil((state.tat - state.now) / 1000) + 1))
end
