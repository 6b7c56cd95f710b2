-- Fragment: `live_until(expires, keys)` lets keys live as long as the last member of the sorted set `expiries`, whose scores
-- are times in milliseconds (inf: no end).
local function live_until(expiries, keys)
  local last = redis.call('ZRANGE', expiries, -1, -1, 'WITHSCORES')[2]
  for _, key in ipairs(keys) do
    if tostring(last) == 'inf' then
      redis.call('PERSIST', key)
    elseif last then
      redis.call('PEXPIREAT', key, string.format('%.0f', tonumber(last)))
    end
  end
end
