-- Takes what a request costs from all limits or none (take: 0 looks, 1 takes all, 2 rates). A rate is GCRA: a cost is time,
-- and a request starts at most `tolerance` before all that was taken is paid off. Who may `wait` books that start, ahead of
-- whoever comes later. Who may wait for a place, a lease, queues; who does not ask again within `patience` is forgotten.
-- Gives {taken, delay, the limit that is short, how many have to leave first}, then for each limit {level, born, mark}.
-- KEYS ...
-- ARGV token take wait lease patience rates ...
-- WITH micros
-- WITH at_once
-- WITH rate
-- WITH until
-- WITH places
local n, states, found = tonumber(rates), {}, {}
local delay, short, ahead = 0, 0, 0
for i = 1, n do
  local state = rate_of(KEYS[i])
  state.cost = tonumber(ARGV[5 + 2 * i])
  states[i] = state
  local early = state.tat + state.cost - tonumber(ARGV[6 + 2 * i]) - state.now
  if early > delay + 0.5 then delay, short = early, i end
end
local fits, last = delay <= tonumber(wait), n + (#KEYS - n) / 2
for i = n + 1, last do
  local places, queue = KEYS[2 * i - n - 1], KEYS[2 * i - n]
  local leave, held = turn(places, queue, ARGV[6 + n + i])
  found[i] = {held, '', ''}
  if leave > ahead and fits then ahead, short = leave, i end
  if leave > 0 and fits and take == '1' and tonumber(wait) > 0 then line_up(places, queue, patience) end
end
local taken = take ~= '0' and fits and ahead == 0
for i = 1, n do
  local state = states[i]
  if taken and state.cost > 0 then
    local start = state.now + delay
    if delay > 0 then book(state, start) end
    state.tat = math.max(state.tat, start) + state.cost
    keep(state)
  end
  found[i] = {string.format('%.0f', state.tat - state.now), string.format('%.0f', state.born),
    string.format('%.17g', state.tat + state.back)}
end
for i = n + 1, taken and take == '1' and last or n do
  enter(KEYS[2 * i - n - 1], KEYS[2 * i - n], tonumber(lease) + delay / 1000)
  found[i][1] = found[i][1] + 1
end
return {taken and 1 or 0, string.format('%.0f', delay), short, ahead, unpack(found)}
