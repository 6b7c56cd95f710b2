-- Takes what a request costs from all rates or none, if it may go now; decides as `take.lua` does where nobody waits.
-- Gives {delay, the limit that is short (0: taken), level...}, times in microseconds.
-- KEYS ...
-- ARGV ...
-- WITH micros
-- WITH plain_rates
-- WITH rate
local delay, short, states, reply = 0, 0, {}, {0, 0}
for i = 1, #KEYS do
  local state = rate_of(KEYS[i])
  state.cost = tonumber(ARGV[2 * i - 1])
  states[i] = state
  local early = state.tat + state.cost - ARGV[2 * i] - state.now
  if early > delay + 0.5 then delay, short = early, i end
end
for i, state in ipairs(states) do
  if short == 0 and state.cost > 0 then
    state.tat = state.tat + state.cost
    keep(state)
  end
  reply[i + 2] = state.tat - state.now + 0.5
end
reply[1], reply[2] = delay + 0.5, short
return reply
