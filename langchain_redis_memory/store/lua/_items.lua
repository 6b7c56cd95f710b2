-- Fragment: what scripts know of the items of one root.
-- A field of `items` is the labels below the root, each with a zero byte after it, a zero byte, and the item's key. A
-- member of `item_names` has the item's birth before the key, so a namespace's items are in a row, the oldest first.
-- A record begins "\1space_born born updated ttl_ms vectors marks|", times in microseconds. The field '' holds the last
-- stamp given, and until when (ms) the index of roots surely knows of this root.
local function ttl_of(record) return tonumber(string.match(versioned(record), '^\1%d+ %d+ %d+ (%d+)')) end
local function space_of(name)
  return string.sub(name, 1, 1) == '\0' and '' or string.sub(name, 1, string.find(name, '\0\0', 1, true))
end
local function field_of(member, space) return space .. '\0' .. string.sub(member, #space + 18) end
local function member_of(field, born)
  local space = space_of(field)
  return space .. '\0' .. born .. string.sub(field, #space + 2)
end
local function alive(field, record)
  local ttl = record and ttl_of(record)
  if not ttl then return false end
  local expiry = ttl > 0 and redis.call('ZSCORE', item_expiries, field)
  return not expiry or tonumber(expiry) > tonumber(now)
end
local function drop(field)
  local record = redis.call('HGET', items, field)
  if record then redis.call('ZREM', item_names, member_of(field, string.sub(record, 19, 34))) end
  redis.call('HDEL', items, field)
  redis.call('ZREM', item_expiries, field)
end
local function settle() -- forgets some items that have expired; the keys live as long as the last item in them
  for _, field in ipairs(redis.call('ZRANGEBYSCORE', item_expiries, '-inf', now, 'LIMIT', 0, 16)) do drop(field) end
  local size = redis.call('ZCARD', item_names)
  if size == 0 then return redis.call('DEL', items) end
  local lasting = size > redis.call('ZCARD', item_expiries)
  local last = redis.call('ZRANGE', item_expiries, -1, -1, 'WITHSCORES')[2]
  for _, key in ipairs(KEYS) do
    if lasting then
      redis.call('PERSIST', key)
    elseif last then
      redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last)))
    end
  end
end
