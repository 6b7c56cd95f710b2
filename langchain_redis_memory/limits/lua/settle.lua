-- Corrects what a request took, once its true cost is known, and gives its places back. More than was taken is a debt. Less is
-- given back as far as it is not paid off yet, and as far as those who wait behind it do not rely on it.
-- KEYS ...
-- ARGV token rates ...
-- WITH once
-- WITH micros
-- WITH rate
local n = tonumber(rates)
for i = 1, n do
  local change, born, mark = tonumber(ARGV[3 * i]), ARGV[3 * i + 1], ARGV[3 * i + 2]
  local state = rate_of(KEYS[i])
  if change > 0 then
    state.tat = state.tat + change
    keep(state)
  elseif change < 0 and born == string.format('%.0f', state.born)
    and not string.find(state.recent, ';' .. mark .. ':', 1, true) then
    local own = tonumber(mark) - state.back -- where it stands: those behind who gave back have not moved it forward
    for behind, amount in string.gmatch(state.recent, '([^:;]+):([^;]+)') do
      if tonumber(behind) > tonumber(mark) then own = own + tonumber(amount) end
    end
    local left = math.min(-change, own - state.now)
    local relied = own < state.tat and math.max(state.booked, state.booked2) > state.now
    if relied then left = math.min(left, state.slack, state.slack2) end
    if left > 0 then
      if relied then state.slack, state.slack2 = state.slack - left, state.slack2 - left end
      state.tat, state.back = state.tat - left, state.back + left
      state.recent = string.match(string.sub(string.format(';%s:%.17g%s', mark, left, state.recent), 1, 400), '.*;')
      keep(state)
    end
  end
end
for i = n + 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i], '+' .. token, '-' .. token)
  redis.call('ZREM', KEYS[i + 1], token)
end
return 1
