-- Gives a value another lifetime (0: no end). Returns 1 where there is one.
-- KEYS values expiries
-- ARGV name ttl_ms
-- WITH once
-- WITH micros
-- WITH until
-- WITH value
-- WITH value_keep
local one = found(name)
if not one.there then return 0, false end
one.fresh = ttl_ms == '0' and 0 or moment + tonumber(ttl_ms)
one.expires = one.fresh
keep(name, one)
return 1
