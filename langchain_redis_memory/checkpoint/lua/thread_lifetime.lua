-- Moves the lifetime of one thread's keys together and returns 1 where it exists.
-- how: touch (never shortens, a pinned one stays pinned), pin.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms how
local left = redis.call('PTTL', checkpoints)
if left == -2 then return 0 end
for _, key in ipairs(KEYS) do
  if how == 'pin' then
    redis.call('PERSIST', key)
  elseif left ~= -1 then
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(left, tonumber(ttl_ms))))
  end
end
return 1
