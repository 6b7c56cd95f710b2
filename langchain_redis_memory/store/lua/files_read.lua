-- Reads files, after the text that they must hold ('' for all): path, record, path, record ...
-- KEYS files
-- ARGV text ...
local found = {}
for at = 2, #ARGV do
  local record = redis.call('HGET', files, ARGV[at])
  local content = record and string.find(record, '\n', 1, true)
  if content and (text == '' or string.find(record, text, content + 1, true)) then
    found[#found + 1] = ARGV[at]
    found[#found + 1] = record
  end
end
return found
