-- Gives values of a conversation's data by name, or all of them: {name, body, name, body, ...}, without those whose time
-- is over.
-- KEYS data
-- ARGV ...
-- WITH now
-- WITH version
local found = {}
for _, name in ipairs(#ARGV > 0 and ARGV or redis.call('HKEYS', data)) do
  local expiry, body = string.match(versioned(redis.call('HGET', data, name) or ''), '^\1(%d+):(.*)$')
  if expiry == '0' or expiry and tonumber(expiry) > tonumber(now) then
    found[#found + 1], found[#found + 2] = name, body
  end
end
return found
