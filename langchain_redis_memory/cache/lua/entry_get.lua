-- Gives {record, reports, now} of some entries, nil for one that is not there or has expired; notes that they are used.
-- KEYS items expiries uses reports
-- ARGV ...
-- WITH now
local found = {}
for i, name in ipairs(ARGV) do
  local record = redis.call('HGET', items, name)
  local expiry = tonumber(string.match(record or '', '^(%d+):'))
  if record and not (expiry and expiry <= tonumber(now)) then
    if redis.call('ZSCORE', uses, name) then redis.pcall('ZADD', uses, now, name) end -- refused where memory is full
    found[i] = {record, redis.call('HGET', reports, name), now}
  else
    found[i] = false
  end
end
return found
