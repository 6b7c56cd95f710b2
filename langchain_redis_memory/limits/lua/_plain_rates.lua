-- Fragment: takes from rates of none of which anything is booked or given back: of such a rate only `born tat` is stored (see
-- `_rate.lua`), so nothing else of it has to be read. Whatever else there is, the rest of the script decides.
do
  local delay, short, states, reply = 0, 0, {0, 0, 0, 0}, {0, 0, 0}
  for i = 1, #KEYS do
    local kept, born, tat = redis.call('GET', KEYS[i]), nil, nil
    if kept then
      born, tat = string.match(kept, '^(%d+) (%S+)$')
      if not born then
        reply = nil
        break
      end
    end
    if not born or tonumber(born) > now then born = string.format('%.0f', now) tat = nil end -- new, or a clock went back
    tat = tonumber(tat) or 0
    local moment = now - born
    if tat < moment then tat = moment end
    tat = tat + ARGV[2 * i - 1]
    states[2 * i - 1], states[2 * i], reply[i + 2] = born, tat, tat - moment
    local early = reply[i + 2] - ARGV[2 * i]
    if early > delay + 0.5 then delay, short = early, i end
  end
  for i = 1, reply and #KEYS or 0 do
    local level, cost = reply[i + 2], tonumber(ARGV[2 * i - 1])
    if short > 0 then
      level = level - cost
    elseif cost > 0 then
      local kept = string.format('%s %.17g', states[2 * i - 1], states[2 * i])
      redis.call('SET', KEYS[i], kept, 'PX', math.ceil(level / 1000) + 1)
    end
    reply[i + 2] = level + 0.5
  end
  if reply then
    reply[1], reply[2] = delay + 0.5, short
    return reply
  end
end
