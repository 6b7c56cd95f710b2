-- Stores and removes points of a vector set: groups (owner, ttl_ms, attributes, how many, vector, ...), no vector removes.
-- Element `i:owner` is an owner's i-th vector; `point_owners` knows how many each owner has.
-- KEYS points point_owners point_expiries
-- ARGV quantization links ...
-- WITH once
-- WITH now
-- WITH points
local _ = redis.call('HLEN', point_owners) + redis.call('ZCARD', point_expiries) -- of another type: nothing is written
local function keep(owner, count)
  for i = count, tonumber(redis.call('HGET', point_owners, owner) or 0) - 1 do
    redis.call('VREM', points, i .. ':' .. owner)
  end
  if count > 0 then
    redis.call('HSET', point_owners, owner, count)
  else
    redis.call('HDEL', point_owners, owner)
    redis.call('ZREM', point_expiries, owner)
  end
end
local i = 3
while i <= #ARGV do
  local owner, ttl, attributes, count = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2], tonumber(ARGV[i + 3])
  for n = 0, count - 1 do
    local element = n .. ':' .. owner
    redis.call('VADD', points, 'FP32', ARGV[i + 4 + n], element, quantization, 'SETATTR', attributes, 'M', links)
  end
  keep(owner, count)
  if count > 0 then expiries(owner, ttl) end
  i = i + 4 + count
end
for _, owner in ipairs(expired()) do keep(owner, 0) end
outlive(redis.call('HLEN', point_owners))
return 1
