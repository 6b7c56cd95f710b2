-- Gives a page of a thread's checkpoints without their values, newest first: {revision, now, ns-NUL-id, record, ...}.
-- KEYS checkpoints order blobs writes
-- ARGV before count
-- WITH whole
-- WITH now
if gone then return gone end
local bound = '(i' .. (before == '' and '\255' or before)
local page = {redis.call('HGET', checkpoints, '') or '0', now}
for _, member in ipairs(redis.call('ZREVRANGEBYLEX', order, bound, '[i', 'LIMIT', 0, count)) do
  local name = string.gsub(member, '^i([^%z]*)%z([^%z]*)$', '%2\0%1')
  page[#page + 1], page[#page + 2] = name, redis.call('HGET', checkpoints, name) or ''
end
return page
