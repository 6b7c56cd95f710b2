-- Gives what is known of one conversation: {created_ms, active_ms, turns, tokens, messages, ttl_ms}, or nil.
-- KEYS messages meta
-- ARGV
local known = redis.call('HMGET', meta, 'created', 'active', 'turns', 'tokens')
if not known[1] then return false end
return {known[1], known[2], known[3] or '0', known[4] or '0', redis.call('LLEN', messages), redis.call('PTTL', meta)}
