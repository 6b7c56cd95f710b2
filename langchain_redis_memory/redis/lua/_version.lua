-- Fragment: `versioned(record)` gives a record back whose version this package knows, or whose bytes are somebody else's;
-- a newer version ends the script before it changes anything.
local function versioned(record)
  local version = record and string.byte(record) or 1
  if version > 1 and version < 32 then error('NEWERFORMAT') end
  return record
end
