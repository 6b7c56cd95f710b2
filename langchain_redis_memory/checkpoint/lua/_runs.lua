-- Fragment: elements of lists, stored once for all lists of channels of one name and numbered as they come. `d` channel
-- holds the digests of all of them, 16 bytes each. `runs(channel, digests)` gives {first, last} for elements that are
-- stored and a digest for each that is not.
local digests_of, places = {}, {}
local function place_of(digest, all, searches)
  if searches < 16 then
    local place = string.find(all, digest, 1, true)
    while place and place % 16 ~= 1 do place = string.find(all, digest, place + 1, true) end
    return place
  end
  if not places[all] then -- an index pays off when a list has many pieces
    local index = {}
    for at = #all - 15, 1, -16 do index[string.sub(all, at, at + 15)] = at end
    places[all] = index
  end
  return places[all][digest]
end
local function runs(channel, wanted)
  local all = digests_of[channel] or redis.call('HGET', blobs, 'd' .. channel) or ''
  local found, at = {}, 1
  digests_of[channel] = all
  while at <= #wanted do
    local digest = string.sub(wanted, at, at + 15)
    local place = place_of(digest, all, #found)
    local low, high = 1, place and math.min(#wanted - at + 1, #all - place + 1) / 16 or 0
    local try = math.min(2, high)
    while low < high do -- the longest run that is the same on both sides
      local same = string.sub(wanted, at, at + 16 * try - 1) == string.sub(all, place, place + 16 * try - 1)
      if same then low = try else high = try - 1 end
      try = same and math.min(2 * low, high) or math.ceil((low + high) / 2)
    end
    local first = place and (place - 1) / 16 + 1
    found[#found + 1] = place and {first, first + low - 1} or digest
    at = at + 16 * low
  end
  return found
end
