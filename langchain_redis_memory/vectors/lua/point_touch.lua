-- Gives the vectors of one owner their lifetime anew.
-- KEYS point
-- ARGV ttl_ms
for i = 0, tonumber(redis.call('HGET', point, 'count') or 0) - 1 do
  redis.call('PEXPIRE', i == 0 and point or point .. i, ttl_ms)
end
return 1
