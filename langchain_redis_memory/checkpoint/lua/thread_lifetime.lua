-- Moves the lifetime of one thread's keys together and returns 1 where it exists and is not another user's.
-- how: touch (never shortens, a pinned one stays pinned), pin.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms how asker
local left = redis.call('PTTL', checkpoints)
local owner = asker ~= '' and redis.call('HGET', checkpoints, 'owner')
if left == -2 or owner and owner ~= asker then return 0 end
for _, key in ipairs(KEYS) do
  if how == 'pin' then
    redis.call('PERSIST', key)
  elseif left ~= -1 then
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(left, tonumber(ttl_ms))))
  end
end
return 1
