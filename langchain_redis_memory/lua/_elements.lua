-- Fragment: elements of lists, stored once for all lists of channels of one name and numbered as they come. `d` channel
-- holds the digests of all of them, 16 bytes each. `runs(channel, digests)` gives {first, last} for elements that are
-- stored and a digest for each that is not; `ranges(channel, found, sent)` stores those and spells the list `1-57,60`.
local digests_of, added = {}, {}
local function runs(channel, wanted)
  local all = digests_of[channel] or redis.call('HGET', blobs, 'd' .. channel) or ''
  local found, at = {}, 1
  digests_of[channel] = all
  while at <= #wanted do
    local digest = string.sub(wanted, at, at + 15)
    local place = string.find(all, digest, 1, true)
    while place and place % 16 ~= 1 do place = string.find(all, digest, place + 1, true) end
    local low, high = 1, place and math.min(#wanted - at + 1, #all - place + 1) / 16 or 0
    local try = high
    while low < high do -- the longest run that is the same on both sides; most often all of it
      local same = string.sub(wanted, at, at + 16 * try - 1) == string.sub(all, place, place + 16 * try - 1)
      if same then low = try else high = try - 1 end
      try = math.ceil((low + high) / 2)
    end
    local first = place and (place - 1) / 16 + 1
    found[#found + 1] = place and {first, first + low - 1} or digest
    at = at + 16 * low
  end
  return found
end
local function ranges(channel, found, sent)
  local spelled, new = {}, added[channel] or {count = #digests_of[channel] / 16}
  added[channel] = new
  for i, run in ipairs(found) do
    if type(run) == 'string' then
      if not new[run] then
        new.count, new[#new + 1] = new.count + 1, run
        new[run] = new.count
        redis.call('HSET', blobs, 'e' .. channel .. '\0' .. string.format('%.0f', new.count), sent[channel .. run])
      end
      run = {new[run], new[run]}
    end
    spelled[i] = string.format(run[1] == run[2] and '%.0f' or '%.0f-%.0f', run[1], run[2])
  end
  if #new > 0 then redis.call('HSET', blobs, 'd' .. channel, digests_of[channel] .. table.concat(new)) end
  return table.concat(spelled, ',')
end
