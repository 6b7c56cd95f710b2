-- Fragment: `newest(ns, bound, count)` gives the names (ns-NUL-id) of at most `count` checkpoints of a namespace, newest
-- first, before the id `bound` (empty: all). `order` has `i` id NUL ns for all, and `n` ns NUL id where ns is not empty.
local function newest(ns, bound, count)
  if ns ~= '' then
    local start = 'n' .. ns .. '\0'
    bound = '(' .. start .. (bound == '' and '\255' or bound)
    local names = redis.call('ZREVRANGEBYLEX', order, bound, '[' .. start, 'LIMIT', 0, count)
    for i, member in ipairs(names) do names[i] = string.sub(member, 2) end
    return names
  end
  local names, chunk = {}, tonumber(count)
  bound = '(i' .. (bound == '' and '\255' or bound)
  while #names < tonumber(count) do
    local members = redis.call('ZREVRANGEBYLEX', order, bound, '[i', 'LIMIT', 0, chunk)
    for _, member in ipairs(members) do
      if string.byte(member, -1) == 0 and #names < tonumber(count) then
        names[#names + 1] = '\0' .. string.sub(member, 2, -2)
      end
      bound = '(' .. member
    end
    if #members < chunk then break end
    chunk = math.min(4 * chunk, 1000)
  end
  return names
end
