-- Removes the lines of some conversations from the log of turns, by their marks: bytes 9 to 16 of a line's marks.
-- KEYS decisions
-- ARGV ...
local meant = {}
for _, mark in ipairs(ARGV) do meant[mark] = true end
for _, line in ipairs(redis.call('XRANGE', decisions, '-', '+')) do
  if meant[string.sub(line[2][4] or '', 9, 16)] then redis.call('XDEL', decisions, line[1]) end
end
return 1
