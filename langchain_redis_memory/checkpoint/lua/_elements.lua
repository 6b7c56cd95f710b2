-- Fragment: `ranges(channel, found, sent)` keeps the elements that `found` (see `runs`) does not know, and spells the list
-- `1-57,60`. An element is under `e` channel NUL number. `keep(field, value)` notes what `store()` writes at once. `lacking(
-- channel, found, sent, missing)` adds to `missing` the digests that are neither known nor sent.
local added, kept = {}, {}
local function keep(field, value) kept[#kept + 1], kept[#kept + 2] = field, value end
local function store()
  for first = 1, #kept, 2000 do redis.call('HSET', blobs, unpack(kept, first, math.min(first + 1999, #kept))) end
end
local function ranges(channel, found, sent)
  local spelled, new = {}, added[channel] or {count = #digests_of[channel] / 16}
  added[channel] = new
  for _, run in ipairs(found) do
    if type(run) == 'string' then
      if not new[run] then
        new.count, new[#new + 1] = new.count + 1, run
        new[run] = new.count
        keep('e' .. channel .. '\0' .. string.format('%d', new.count), sent[channel .. run])
      end
      run = {new[run], new[run]}
    end
    local last = spelled[#spelled]
    if last and last[2] + 1 == run[1] then last[2] = run[2] else spelled[#spelled + 1] = {run[1], run[2]} end
  end
  for i, run in ipairs(spelled) do spelled[i] = string.format(run[1] == run[2] and '%d' or '%d-%d', run[1], run[2]) end
  if #new > 0 then keep('d' .. channel, digests_of[channel] .. table.concat(new)) end
  return table.concat(spelled, ',')
end
local function lacking(channel, found, sent, missing)
  for _, run in ipairs(found) do
    if type(run) == 'string' and not sent[channel .. run] then missing[#missing + 1] = run end
  end
end
