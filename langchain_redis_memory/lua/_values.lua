-- Fragment: `want(ns, reference)` notes a channel value that is needed; `wanted()` gives all of them: values
-- {field, value, ...} and the list elements in them {field, element, ...}, each once; or what is gone.
local fields, seen = {}, {}
local function want(ns, reference)
  local field = 'b' .. ns .. '\0' .. string.sub(reference, 2)
  if string.sub(reference, 1, 1) ~= '-' and not seen[field] then
    fields[#fields + 1], seen[field] = field, true
  end
end
local function fetch(names)
  local found = {}
  for first = 1, #names, 1000 do
    local some = {unpack(names, first, math.min(first + 999, #names))}
    for i, value in ipairs(redis.call('HMGET', blobs, unpack(some))) do
      if not value then return nil, {'gone', blobs} end
      found[#found + 1], found[#found + 2] = some[i], value
    end
  end
  return found
end
local function wanted()
  local values, lost = fetch(fields)
  local names = {}
  for i = 2, lost and 0 or #values, 2 do
    if string.sub(values[i], 1, 1) == '*' then
      local channel = string.match(values[i - 1], '^b[^%z]*%z(.*)%z[^%z]*$')
      for first, last in string.gmatch(values[i], '(%d+)-(%d+)') do
        for number = tonumber(first), tonumber(last) do
          local name = 'e' .. channel .. '\0' .. string.format('%.0f', number)
          if not seen[name] then names[#names + 1], seen[name] = name, true end
        end
      end
    end
  end
  if lost then return nil, nil, lost end
  local elements, broken = fetch(names)
  return values, elements, broken
end
