-- Stores a value, or none (an empty body: it is deleted). mode: any; nx, xx; since: unless it was written after `version`;
-- version: if it has this one (0: none). Tags are pairs (tag, token; empty: the current one). Gives {version (0: not stored),
-- whether there was a value}.
-- KEYS values expiries
-- ARGV mode version ttl_ms stale_ms delta name body ...
-- WITH once
-- WITH micros
-- WITH until
-- WITH value
-- WITH value_keep
local old = found(name)
local there = old.there and 1 or 0
if mode == 'nx' and old.there or mode == 'xx' and not old.there then return {'0', there} end
if mode == 'since' and old.version > tonumber(version) then return {'0', there} end
if mode == 'version' and (old.there and old.version or 0) ~= tonumber(version) then return {'0', there} end
local tags = {}
for i = 8, #ARGV, 2 do tags[#tags + 1] = ARGV[i] .. '=' .. (ARGV[i + 1] ~= '' and ARGV[i + 1] or token(ARGV[i])) end
local one = {delta = delta, body = body, tags = table.concat(tags, ' '), version = math.max(now, old.version + 1)}
one.fresh = ttl_ms == '0' and 0 or moment + tonumber(ttl_ms)
one.expires = ttl_ms == '0' and 0 or one.fresh + tonumber(stale_ms)
keep(name, one)
return {text(one.version), there}
