-- Runs one command on some keys: one that would undo what others wrote in between, were it run again.
-- KEYS ...
-- ARGV verb ...
-- WITH once
local words = {verb}
for _, key in ipairs(KEYS) do words[#words + 1] = key end
for i = 2, #ARGV do words[#words + 1] = ARGV[i] end
return redis.call(unpack(words))
