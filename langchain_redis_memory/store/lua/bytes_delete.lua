-- Deletes values and takes their names out of the store's index. Each argument is the name of a further key.
-- KEYS names expiries ...
-- ARGV ...
-- WITH once
for i, name in ipairs(ARGV) do
  redis.call('UNLINK', KEYS[i + 2])
  redis.call('ZREM', names, name)
  redis.call('ZREM', expiries, name)
end
