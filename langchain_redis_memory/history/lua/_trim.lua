-- Fragment: `trim(total, most, budget)` drops the oldest messages of `messages` and `ids` until at most `most`
-- messages of at most `budget` tokens are left (0: no bound); returns the tokens left and how many were dropped.
-- A leading system message and the newest message stay. A message that made tool calls goes together with their
-- answers; where an answer is the newest message, both stay.
local function cost(record) return tonumber(string.match(record or '', '^\1%a(%d+)') or 0) end
local function at(place) return redis.call('LINDEX', messages, place) or '' end
local function drop(place)
  redis.call('LSET', messages, place, '')
  redis.call('LREM', messages, 1, '')
  redis.call('ZREMRANGEBYRANK', ids, place, place)
end
local function leaving(first, size)
  local places, calls = {first}, string.match(at(first), '^\1[aA]%d+:([%x,]+)')
  local open = calls and select(2, string.gsub(calls, '%x+', '')) or 0
  for place = first + 1, size - 1 do
    local record = at(place)
    local answers = string.match(record, '^\1[tT]%d+:(%x+)')
    if calls and answers and string.find(calls, answers, 1, true) then
      places[#places + 1], open = place, open - 1
    elseif #places == place - first and string.match(record, '^\1[tT]') then
      places[#places + 1] = place
    elseif open <= 0 then
      break
    end
  end
  return places
end
local function trim(total, most, budget)
  local size, dropped = redis.call('LLEN', messages), 0
  while (most > 0 and size > most) or (budget > 0 and total > budget) do
    local first = string.match(at(0), '^\1[sS]') and 1 or 0
    local places = leaving(first, size)
    if size <= first + 1 or places[#places] == size - 1 then break end
    for i = #places, 1, -1 do
      total = total - cost(at(places[i]))
      drop(places[i])
    end
    size, dropped = size - #places, dropped + #places
  end
  return total, dropped
end
