-- Gives those of the names whose values exist, and takes the others out of the store's index.
-- KEYS names expiries ...
-- ARGV ...
local living = {}
for i, name in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[i + 2]) == 1 then
    living[#living + 1] = name
  else
    redis.call('ZREM', names, name)
    redis.call('ZREM', expiries, name)
  end
end
return living
