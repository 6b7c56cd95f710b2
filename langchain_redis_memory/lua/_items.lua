-- Fragment: `ttl_of(record)`, `alive(field, record)`, `drop(field)`, `space_of(field)`, and `settle()`, which forgets
-- some items that have lapsed and lets the keys live as long as the last item in them.
-- A record begins "space_born born updated ttl_ms vectors marks|", times in microseconds; a field is the labels below
-- the root, each with a zero byte after it, a zero byte, and the item's key. The field '' holds the last stamp given.
local function ttl_of(record) return tonumber(string.match(record, '^%d+ %d+ %d+ (%d+)')) end
local function alive(field, record)
  local ttl = record and ttl_of(record)
  if not ttl then return false end
  local lapse = ttl > 0 and redis.call('ZSCORE', item_lapses, field)
  return not lapse or tonumber(lapse) > tonumber(now)
end
local function drop(field)
  redis.call('HDEL', items, field)
  redis.call('ZREM', item_names, field)
  redis.call('ZREM', item_lapses, field)
end
local function space_of(field)
  if string.sub(field, 1, 1) == '\0' then return '' end
  return string.sub(field, 1, string.find(field, '\0\0', 1, true))
end
local function settle()
  for _, field in ipairs(redis.call('ZRANGEBYSCORE', item_lapses, '-inf', now, 'LIMIT', 0, 16)) do drop(field) end
  local size = redis.call('ZCARD', item_names)
  if size == 0 then return redis.call('DEL', items) end
  local lasting = size > redis.call('ZCARD', item_lapses)
  local last = redis.call('ZRANGE', item_lapses, -1, -1, 'WITHSCORES')[2]
  for _, key in ipairs(KEYS) do
    if lasting then
      redis.call('PERSIST', key)
    elseif last then
      redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last)))
    end
  end
end
