-- Gives the server's time in milliseconds, then the records of some items, nil where there is none or it has expired.
-- KEYS items
-- ARGV ...
-- WITH now
local found = {now}
for i, item in ipairs(ARGV) do
  local record = redis.call('HGET', items, item)
  local expiry = tonumber(string.match(record or '', '^(%d+):'))
  found[i + 1] = record and not (expiry and expiry <= tonumber(now)) and record
end
return found
