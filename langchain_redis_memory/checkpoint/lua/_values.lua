-- Fragment: `want(ns, reference)` and `want_list(channel, spelled)` note what is needed; `wanted()` gives each once: {fields,
-- values}, for each channel {channel, ranges of numbers '1-57,60-60', element, ...}, lists in the values included; or what is
-- gone.
local fields, seen, channels = {}, {}, {}
local function want(ns, reference)
  local field = 'b' .. ns .. '\0' .. string.sub(reference, 2)
  if string.sub(reference, 1, 1) ~= '-' and not seen[field] then
    fields[#fields + 1], seen[field] = field, true
  end
end
local function want_list(channel, spelled)
  local list = channels[channel] or {numbers = {}, seen = {}, count = 0}
  local numbers, known, count = list.numbers, list.seen, list.count
  for first, last in string.gmatch(spelled, '(%d+)-?(%d*)') do
    for number = tonumber(first), tonumber(last) or tonumber(first) do
      if not known[number] then
        count = count + 1
        numbers[count], known[number] = number, true
      end
    end
  end
  list.count, channels[channel] = count, list
end
local function spans(numbers)
  local spelled, first = {}, 1
  for i, number in ipairs(numbers) do
    if numbers[i + 1] ~= number + 1 then
      spelled[#spelled + 1], first = string.format('%d-%d', numbers[first], number), i + 1
    end
  end
  return table.concat(spelled, ',')
end
local function wanted()
  local found, elements = {}, {}
  local lost = fetch(found, '', fields)
  for i, value in ipairs(lost and {} or found) do
    if string.sub(value, 1, 1) == '*' then want_list(string.match(fields[i], '^b[^%z]*%z(.*)%z[^%z]*$'), value) end
  end
  for channel, list in pairs(channels) do
    elements[#elements + 1] = {channel, spans(list.numbers)}
    for i, number in ipairs(list.numbers) do list.numbers[i] = string.format('%d', number) end
    lost = lost or fetch(elements[#elements], 'e' .. channel .. '\0', list.numbers)
  end
  return {fields, found}, elements, lost
end
