-- Gives the records of items of one namespace, nil where there is none or its lifetime is over.
-- KEYS nodes
-- ARGV ...
-- WITH now
local found = {}
for i, item in ipairs(ARGV) do
  local record = redis.call('HGET', nodes, item)
  local lapse = tonumber(string.match(record or '', '^(%d+):'))
  found[i] = record and not (lapse and lapse <= tonumber(now)) and record
end
return found
