-- Fragment: decides where there are only rates, of none of which anything is booked or given back, and nobody has to wait:
-- of such a rate only `born tat` is stored (see `_rate.lua`). Whatever else there is, the rest of the script decides.
do
  local states, delay, short = tonumber(rates) == #KEYS and {}, 0, 0
  for i = 1, states and #KEYS or 0 do
    local kept = redis.call('GET', KEYS[i])
    local born, tat = string.match(kept or '', '^(%d+) (%S+)$')
    if kept and not born then
      states = false
      break
    end
    if not born or tonumber(born) > now then born, tat = string.format('%.0f', now), nil end -- new, or a clock went back
    local moment, cost = now - born, tonumber(ARGV[5 + 2 * i])
    tat = math.max(tonumber(tat) or 0, moment)
    local early = tat + cost - ARGV[6 + 2 * i] - moment
    if early > delay + 0.5 then delay, short = early, i end
    states[i] = {born, tat, moment, cost}
  end
  if states and (delay == 0 or tonumber(wait) <= 0) then
    local taken, reply = take ~= '0' and delay == 0, {0, string.format('%.0f', delay), short, 0}
    reply[1] = taken and 1 or 0
    for i, state in ipairs(states) do
      local born, tat, moment, cost = unpack(state)
      if taken then tat = tat + cost end
      local text = string.format('%.17g', tat)
      if taken and cost > 0 then
        redis.call('SET', KEYS[i], born .. ' ' .. text, 'PX', string.format('%d', math.ceil((tat - moment) / 1000) + 1))
      end
      reply[4 + i] = {string.format('%.0f', tat - moment), born, text}
    end
    return reply
  end
end
