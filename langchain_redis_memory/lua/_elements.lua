-- Fragment: elements of list values, stored once for all lists of channels of one name. `numbers(channel, digests)` gives
-- for each digest (16 bytes) the element's number, or the field that would hold it; `ranges(channel, found, sent)` stores
-- those that have none (`sent`: field -> element) and spells the list as `1-57,60`.
local function numbers(channel, digests)
  local found = {}
  for first = 1, #digests, 8000 do
    local fields = {}
    for start = first, math.min(first + 7999, #digests), 16 do
      fields[#fields + 1] = 'd' .. channel .. '\0' .. string.sub(digests, start, start + 15)
    end
    for i, number in ipairs(redis.call('HMGET', blobs, unpack(fields))) do found[#found + 1] = number or fields[i] end
  end
  return found
end
local function ranges(channel, found, sent)
  local runs, first, last = {}, nil, nil
  for _, number in ipairs(found) do
    if string.sub(number, 1, 1) == 'd' then
      local field = number
      number = redis.call('HGET', blobs, field)
      if not number then
        number = redis.call('HINCRBY', blobs, 'n' .. channel, 1)
        redis.call('HSET', blobs, 'e' .. channel .. '\0' .. number, string.sub(field, -16) .. sent[field])
        redis.call('HSET', blobs, field, number)
      end
    end
    number = tonumber(number)
    if last and number == last + 1 then
      last = number
    else
      if last then runs[#runs + 1] = first .. '-' .. last end
      first, last = number, number
    end
  end
  if last then runs[#runs + 1] = first .. '-' .. last end
  return table.concat(runs, ',')
end
