-- Gives the server's time in milliseconds, then the records of some items, nil where there is none or it has lapsed.
-- KEYS items
-- ARGV ...
-- WITH now
local found = {now}
for i, item in ipairs(ARGV) do
  local record = redis.call('HGET', items, item)
  local lapse = tonumber(string.match(record or '', '^(%d+):'))
  found[i + 1] = record and not (lapse and lapse <= tonumber(now)) and record
end
return found
