-- Stores a record in the place of the one that was read, unless it was changed meanwhile: then nothing is replaced, `note`
-- (where there is one) is kept beside it for the next writer, and {record, notes} is returned. Returns 1 where it stands.
-- A record is `\1head:body`; `head` is what was read (empty: none), `fresh` what is to stand there, `seen` how many bytes
-- of notes were read. The record lives as long as its owner; without one, or as its own, `ttl_ms` from its last write and
-- never shorter, or for ever once that was asked for.
-- KEYS place owner
-- ARGV field head fresh body seen note most ttl_ms
-- WITH once
-- WITH version
local record = redis.call('HGET', place, field) or ''
versioned(record)
local notes = redis.call('HGET', place, field .. '+') or ''
local known = string.match(record, '^\1(%d+%-%x+):') or ''
local fits = known == head and #notes == tonumber(seen)
local own, left = redis.call('PTTL', place), redis.call('PTTL', owner) -- before a write makes the place
if fits then
  redis.call('HSET', place, field, '\1' .. fresh .. ':' .. body)
  redis.call('HDEL', place, field .. '+')
elseif known ~= fresh and note ~= '' then
  if not string.find(notes, note, 1, true) and #notes + #note <= tonumber(most) then
    redis.call('HSET', place, field .. '+', notes .. note)
  end
elseif known ~= fresh then
  return {record, notes}, false
end
if owner == place or left == -2 then left = ttl_ms == '0' and -1 or own == -1 and -1 or math.max(own, tonumber(ttl_ms)) end
if left == -1 then
  redis.call('PERSIST', place)
else
  redis.call('PEXPIRE', place, string.format('%.0f', left))
end
return (fits or known == fresh) and 1 or {record, notes}, 1
