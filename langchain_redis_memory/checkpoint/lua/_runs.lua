-- Fragment: elements of lists, stored once for all lists of channels of one name and numbered as they come. `d` channel
-- holds the digests of all of them, 16 bytes each. `runs(channel, digests, like)` gives {first, last} for elements that
-- are stored and a digest for each that is not; `like` is the field of a list with which these may begin.
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
local function begin(like, all, wanted)
  local found, parts, value = {}, {}, like and redis.call('HGET', blobs, like) or ''
  for first, last in string.gmatch(string.sub(value, 1, 1) == '*' and value or '', '(%d+)-?(%d*)') do
    found[#found + 1] = {tonumber(first), tonumber(last) or tonumber(first)}
    parts[#found] = string.sub(all, 16 * found[#found][1] - 15, 16 * found[#found][2])
  end
  local known = table.concat(parts)
  if known == string.sub(wanted, 1, #known) then return found, #known + 1 else return {}, 1 end
end
local function runs(channel, wanted, like)
  local all = digests_of[channel] or redis.call('HGET', blobs, 'd' .. channel) or ''
  local found, at = begin(like, all, wanted)
  digests_of[channel] = all
  while at <= #wanted do
    local digest = string.sub(wanted, at, at + 15)
    local place = place_of(digest, all, #found)
    local low, high = 1, place and math.min(#wanted - at + 1, #all - place + 1) / 16 or 0
    local try = math.min(2, high)
    while low < high do -- the longest run that is the same on both sides
      local same = string.sub(wanted, at, at + 16 * try - 1) == string.sub(all, place, place + 16 * try - 1)
      low, high = same and try or low, same and high or try - 1
      try = same and math.min(2 * low, high) or math.ceil((low + high) / 2)
    end
    found[#found + 1] = place and {(place + 15) / 16, (place + 15) / 16 + low - 1} or digest
    at = at + 16 * low
  end
  return found
end
