-- Removes the lines of some conversations from the log of turns, by the marks in their field `s`, the second one.
-- KEYS decisions
-- ARGV ...
local meant = {}
for _, mark in ipairs(ARGV) do meant[mark] = true end
for _, line in ipairs(redis.call('XRANGE', decisions, '-', '+')) do
  if meant[line[2][4]] then redis.call('XDEL', decisions, line[1]) end
end
return 1
