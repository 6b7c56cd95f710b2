-- Walks from a checkpoint's parent up, and gives for each named channel what its value is rebuilt from: {steps, values,
-- elements}; a step is {ns-NUL-id, writes, reference, ...} with the references where a channel's walk ends.
-- KEYS checkpoints order blobs writes
-- ARGV ns id ...
-- WITH whole
-- WITH pieces
-- WITH values
if gone then return gone end
local name = ns .. '\0' .. id
if id == '' then
  local newest = redis.call('ZREVRANGEBYLEX', order, '(n' .. name .. '\255', '[n' .. name, 'LIMIT', 0, 1)[1]
  name = newest and string.sub(newest, 2) or ''
end
local remaining, left = {}, 0
for i = 3, #ARGV do remaining[ARGV[i]], left = true, left + 1 end
local steps = {}
local record = name ~= '' and redis.call('HGET', checkpoints, name)
while record and left > 0 do
  name = ns .. '\0' .. front(record)[1]
  record = redis.call('HGET', checkpoints, name)
  if record and name ~= ns .. '\0' then
    local step = {name, redis.call('HGET', writes, name) or ''}
    for i, reference in ipairs(front(record)) do
      local channel = i > 1 and string.match(reference, '^.(.*)%z[^%z]*$')
      if channel and remaining[channel] and string.sub(reference, 1, 1) ~= '-' then
        want(ns, reference)
        remaining[channel], left = nil, left - 1
        step[#step + 1] = reference
      end
    end
    steps[#steps + 1] = step
  else
    record = nil
  end
end
local values, elements, lost = wanted()
return lost or {steps, values, elements}
