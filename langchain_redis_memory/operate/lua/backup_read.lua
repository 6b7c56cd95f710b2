-- Reads a key whole: its type, when it expires (0 for never) and its value as a flat list; nothing of one that is gone.
-- KEYS key
-- ARGV
-- WITH now
local kind = redis.call('TYPE', key)
kind = kind.ok or kind
if kind == 'none' then return {} end
local ttl, expiry = redis.call('PTTL', key), '0'
if ttl >= 0 then expiry = string.format('%.0f', tonumber(now) + ttl) end
local value
if kind == 'string' then value = {redis.call('GET', key)}
elseif kind == 'hash' then value = redis.call('HGETALL', key)
elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
elseif kind == 'set' then value = redis.call('SMEMBERS', key)
elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
elseif kind == 'stream' then value = redis.call('XRANGE', key, '-', '+')
elseif kind == 'vectorset' then
  value = redis.call('VINFO', key)
  for _, element in ipairs(redis.call('VRANDMEMBER', key, redis.call('VCARD', key))) do
    local numbers, attributes = redis.call('VEMB', key, element), redis.call('VGETATTR', key, element)
    value[#value + 1] = {element, attributes or '', numbers}
  end
end
return {kind, expiry, value or {}}
