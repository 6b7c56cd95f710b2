-- Runs a search of vectors, and reads the entry of the nearest, whose owner begins with the entry's name in hexadecimal.
-- Gives {what the search gave, {record, reports, now}, name}; no record where there is none or it has expired.
-- KEYS items expiries uses reports points
-- ARGV ...
-- WITH now
local found = redis.call(unpack(ARGV))
local nearest = found[1] or '' -- of a vector set: `number:owner`, score, ...
if type(found[3]) == 'table' then -- of the Query Engine: how many, key, fields, ...
  for i = 1, #found[3], 2 do
    if found[3][i] == 'owner' then nearest = ':' .. found[3][i + 1] end
  end
end
local spelled = string.match(nearest, '^%d*:(' .. string.rep('%x', 32) .. ')')
local name = string.gsub(spelled or '', '..', function(byte) return string.char(tonumber(byte, 16)) end)
local record = redis.call('HGET', items, name)
local expiry = tonumber(string.match(record or '', '^(%d+):'))
if not record or (expiry and expiry <= tonumber(now)) then return {found, false, name} end
return {found, {record, redis.call('HGET', reports, name), now}, name}
