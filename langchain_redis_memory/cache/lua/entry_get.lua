-- Gives {record, reports, now} of the first `reads` entries, nil for one that is not there or has expired; notes that they
-- and the ones behind them are used.
-- KEYS items expiries uses reports
-- ARGV reads ...
-- WITH now
local found, last = {}, tonumber(reads) + 1
local function use(name)
  if redis.call('ZSCORE', uses, name) then redis.pcall('ZADD', uses, now, name) end -- refused where memory is full
end
for i = 2, last do
  local record = redis.call('HGET', items, ARGV[i])
  local expiry = tonumber(string.match(record or '', '^(%d+):'))
  if record and not (expiry and expiry <= tonumber(now)) then
    use(ARGV[i])
    found[i - 1] = {record, redis.call('HGET', reports, ARGV[i]), now}
  else
    found[i - 1] = false
  end
end
for i = last + 1, #ARGV do use(ARGV[i]) end
return found
