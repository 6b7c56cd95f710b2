-- Moves a key that was restored aside to its place, unless something is there, or instead of it; again it does nothing.
-- KEYS key aside
-- ARGV expiry replace
if redis.call('EXISTS', aside) == 0 then return redis.call('EXISTS', key) end
if replace == '0' and redis.call('EXISTS', key) == 1 then
  redis.call('UNLINK', aside)
  return 0
end
if expiry == '0' then redis.call('PERSIST', aside) else redis.call('PEXPIREAT', aside, expiry) end
redis.call('RENAME', aside, key)
return 1
