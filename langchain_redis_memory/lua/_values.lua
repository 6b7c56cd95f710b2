-- Fragment: `want(ns, reference)` and `want_list(channel, spelled)` note what is needed; `wanted()` gives it, each once:
-- values {field, value, ...} and list elements {field, element, ...}, those in the values included; or what is gone.
local fields, names, seen = {}, {}, {}
local function want(ns, reference)
  local field = 'b' .. ns .. '\0' .. string.sub(reference, 2)
  if string.sub(reference, 1, 1) ~= '-' and not seen[field] then
    fields[#fields + 1], seen[field] = field, true
  end
end
local function want_list(channel, spelled)
  for first, last in string.gmatch(spelled, '(%d+)-?(%d*)') do
    for number = tonumber(first), tonumber(last) or tonumber(first) do
      local name = 'e' .. channel .. '\0' .. string.format('%.0f', number)
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
end
local function fetch(wanted)
  local found = {}
  for first = 1, #wanted, 1000 do
    local some = {unpack(wanted, first, math.min(first + 999, #wanted))}
    for i, value in ipairs(redis.call('HMGET', blobs, unpack(some))) do
      if not value then return nil, {'gone', blobs} end
      found[#found + 1], found[#found + 2] = some[i], value
    end
  end
  return found
end
local function wanted()
  local values, lost = fetch(fields)
  for i = 2, lost and 0 or #values, 2 do
    if string.sub(values[i], 1, 1) == '*' then
      want_list(string.match(values[i - 1], '^b[^%z]*%z(.*)%z[^%z]*$'), values[i])
    end
  end
  if lost then return nil, nil, lost end
  local elements, broken = fetch(names)
  return values, elements, broken
end
