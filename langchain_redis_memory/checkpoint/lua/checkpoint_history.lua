-- Walks from a checkpoint's parent up, and gives for each named channel what its value is rebuilt from: {steps, values,
-- elements}; a step is {ns-NUL-id, writes, reference, ...} with the references where a channel's walk ends.
-- KEYS checkpoints order blobs writes
-- ARGV ns id ...
-- WITH whole
-- WITH owned
-- WITH pieces
-- WITH fetch
-- WITH values
-- WITH writes
-- WITH newest
if gone then return gone end
local name = id ~= '' and ns .. '\0' .. id or newest(ns, '', 1)[1]
local remaining, left, steps = {}, 0, {}
for i = 3, #ARGV do remaining[ARGV[i]], left = true, left + 1 end
local record = name and redis.call('HGET', checkpoints, name)
while record and left > 0 do
  local parent = front(record)[1]
  name = ns .. '\0' .. parent
  record = parent ~= '' and redis.call('HGET', checkpoints, name)
  if record then
    local step = {name, (writes_at(name, want_list))}
    for i, reference in ipairs(front(record)) do
      local channel = i > 1 and string.match(reference, '^.(.*)%z[^%z]*$')
      if channel and remaining[channel] and string.sub(reference, 1, 1) ~= '-' then
        want(ns, reference)
        remaining[channel], left = nil, left - 1
        step[#step + 1] = reference
      end
    end
    steps[#steps + 1] = step
  end
end
local values, elements, lost = wanted()
return lost or {steps, values, elements}
