-- Fragment: `pieces(text, most)` splits a run of netstrings (`3:abc`); `front(record)` gives {parent, reference, ...} of a
-- checkpoint's record (a version byte and 13 digits of time go before it), where a reference is a mark (`+` has a value, `*` has a list, `-` has none), channel, NUL, version.
local function pieces(text, most)
  local found, at = {}, 1
  while at <= #text and #found < (most or #text) do
    local _, stop, size = string.find(text, '^(%d+):', at)
    if not stop or stop + size > #text then error('UNREADABLE') end
    found[#found + 1] = string.sub(text, stop + 1, stop + size)
    at = stop + size + 1
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
