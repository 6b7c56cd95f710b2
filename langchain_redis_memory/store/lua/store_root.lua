-- Notes in a tenant's index that a root of its store is in use, and until when: for twice `ttl_ms` (0: for ever), so that
-- reading need not tell the index each time that it gives items their lifetime anew.
-- how: write, read (items may have got their lifetime anew: the longest that the root has seen counts).
-- KEYS roots root_spans
-- ARGV root ttl_ms how
-- WITH now
-- WITH until
local known = redis.call('ZSCORE', roots, root)
if not known and how == 'read' or tostring(known) == 'inf' and how == 'read' then return 0 end
local seen = string.match(redis.call('HGET', root_spans, root) or '0', '^%d+')
local span = string.format('%.0f', math.max(tonumber(seen), tonumber(ttl_ms)))
local expiry = '+inf'
if ttl_ms ~= '0' and tostring(known) ~= 'inf' or how == 'read' then
  expiry = string.format('%.0f', math.max(tonumber(known or 0), tonumber(now) + 2 * tonumber(span)))
end
if how == 'write' then redis.call('HSET', root_spans, root, span .. ' ' .. clock[1] .. '.' .. clock[2]) end
redis.call('ZADD', roots, expiry, root)
for _, expired in ipairs(redis.call('ZRANGEBYSCORE', roots, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('ZREM', roots, expired)
  redis.call('HDEL', root_spans, expired)
end
live_until(roots, KEYS)
return 1
