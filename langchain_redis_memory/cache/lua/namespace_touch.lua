-- Notes in a tenant's index that a namespace holds items for a time (0: for ever); forgets those whose time is over.
-- KEYS namespaces
-- ARGV namespace ttl_ms
-- WITH now
-- WITH until
local expiry = ttl_ms == '0' and '+inf' or string.format('%.0f', tonumber(now) + tonumber(ttl_ms))
redis.call('ZADD', namespaces, 'GT', expiry, namespace)
redis.call('ZREMRANGEBYSCORE', namespaces, '-inf', now)
live_until(namespaces, KEYS)
