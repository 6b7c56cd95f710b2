-- Fragment: `pieces(text, most)` splits a run of netstrings (`3:abc`); `front(record)` gives {parent, reference, ...} of a
-- checkpoint's record (a version byte and 13 digits of time go before it). A reference is a mark (`-`: there is no value),
-- channel, NUL, version.
local function pieces(text, most)
  local found, count, at, size = {}, 0, 1, #text
  while at <= size and count < (most or size) do
    local _, stop, length = string.find(text, '^(%d+):', at)
    local last = stop and stop + length
    if not last or last > size then error('UNREADABLE') end
    count, at = count + 1, last + 1
    found[count] = string.sub(text, stop + 1, last)
  end
  return found
end
local function front(record)
  local version = string.byte(record) or 0
  if version > 1 and version < 32 then error('NEWERFORMAT') end
  local _, stop, size = string.find(record, '^(%d+):', 15)
  if version ~= 1 or not stop or size == '0' or stop + size > #record then error('UNREADABLE') end
  return pieces(string.sub(record, stop + 1, stop + size))
end
