-- Appends, replaces and removes messages of one conversation, trims it, counts, and moves its lifetime.
-- After the named arguments come pairs (identity, record): no record removes the message, neither empties all.
-- how: add, known (an unknown identity is not appended), fill (only an absent conversation), more (only one that is there).
-- A write never shortens a lifetime. Returns {stored, appended, replaced, removed, trimmed}.
-- KEYS messages ids meta ...
-- ARGV ttl_ms max_messages max_tokens how ...
-- WITH once
-- WITH now
-- WITH live
-- WITH trim
-- WITH version
-- WITH identities
local size, left = redis.call('LLEN', messages), redis.call('PTTL', meta)
versioned(at(-1))
if how == 'fill' and left ~= -2 or how == 'more' and left == -2 then return {size, 0, 0, 0, 0}, false end
local total = math.min(size, 1) * tonumber(redis.call('HGET', meta, 'tokens') or 0)
for _, record in ipairs(left == -2 and redis.call('LRANGE', messages, 0, -1) or {}) do total = total + cost(record) end
align(size)
local appended, replaced, removed, turns, trimmed = 0, 0, 0, 0, 0
for i = 5, #ARGV, 2 do
  local id, record = ARGV[i], ARGV[i + 1]
  local place = id ~= '' and redis.call('ZRANK', ids, id)
  if id == '' then
    removed, total = removed + redis.call('ZCARD', ids) - #gaps, 0
    clear()
  elseif place then
    total = total - cost(at(place)) + cost(record)
    redis.call('LSET', messages, place, record)
    if record ~= '' then replaced = replaced + 1 else removed = removed + gap(id) end
  elseif record ~= '' and how ~= 'known' then
    append(id, record)
    total, appended = total + cost(record), appended + 1
    if string.match(record, '^\1[hH]') then turns = turns + 1 end
  end
end
close()
if left == -2 and size + appended == 0 or how == 'known' and replaced == 0 then return {size, 0, 0, 0, 0}, false end
total, trimmed = trim(total, tonumber(max_messages), tonumber(max_tokens))
redis.call('HSETNX', meta, 'created', now)
redis.call('HSET', meta, 'active', now, 'tokens', total)
if turns > 0 then redis.call('HINCRBY', meta, 'turns', turns) end
live(left, ttl_ms, 'touch')
return {redis.call('LLEN', messages), appended, replaced, removed, trimmed}
