-- Fragment: `live(left, ttl_ms, how)` moves the lifetime of all keys together, of which `left` milliseconds are left.
-- how: touch (never shortens, a pinned one stays pinned; no `ttl_ms` pins), set (unpins), pin.
local function live(left, ttl_ms, how)
  local lifetime = how == 'set' and ttl_ms or string.format('%.0f', math.max(left, tonumber(ttl_ms)))
  for _, key in ipairs(KEYS) do
    if how == 'pin' or ttl_ms == '0' then
      redis.call('PERSIST', key)
    elseif how == 'set' or left ~= -1 then
      redis.call('PEXPIRE', key, lifetime)
    end
  end
end
