-- Gives points of a collection their lifetime anew: pairs (owner, ttl_ms).
-- KEYS points point_owners point_expiries
-- ARGV total_by ...
-- WITH now
-- WITH points
for i = 2, #ARGV, 2 do
  if redis.call('ZSCORE', point_expiries, ARGV[i]) then expiries(ARGV[i], tonumber(ARGV[i + 1])) end
end
outlive(redis.call(total_by, point_owners), total_by == 'ZCARD')
return 1
