-- Fragment: `gone` lists the thread's keys that the server lost while it kept others: {'gone', key, ...}; else nil.
-- Each key holds an entry with an empty name, so an empty one is never missing.
local gone
if redis.call('EXISTS', unpack(KEYS)) % #KEYS ~= 0 then
  gone = {'gone'}
  for _, key in ipairs(KEYS) do
    if redis.call('EXISTS', key) == 0 then gone[#gone + 1] = key end
  end
end
