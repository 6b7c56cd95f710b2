-- Fragment: the sorted set `ids` has the identity of each message of the list `messages`, in the same order, so the rank
-- of an identity is the place of its message. What is removed leaves a gap until `close()`, which keeps ranks and places
-- the same meanwhile, and costs one walk through the list for any number of messages.
local gaps, last = {}, nil
local function align(size) -- an evicted list is an error; identities that were lost are made up, so nothing has them
  local known = redis.call('ZCARD', ids)
  if known > size or size == 0 and tonumber(redis.call('HGET', meta, 'tokens') or 0) > 0 then error('EVICTED') end
  local first = known < size and tonumber(redis.call('ZRANGE', ids, 0, 0, 'WITHSCORES')[2] or 0)
  for i = 1, size - known do redis.call('ZADD', ids, first - i, '?' .. now .. ':' .. i) end
end
local function append(id, record)
  last = (last or tonumber(redis.call('ZRANGE', ids, -1, -1, 'WITHSCORES')[2] or 0)) + 1
  redis.call('RPUSH', messages, record)
  redis.call('ZADD', ids, string.format('%.0f', last), id)
end
local function gap(id)
  gaps[#gaps + 1] = '?gap:' .. #gaps
  redis.call('ZADD', ids, redis.call('ZSCORE', ids, id), gaps[#gaps])
  redis.call('ZREM', ids, id)
  return 1
end
local function clear()
  redis.call('DEL', messages, ids)
  gaps = {}
end
local function close()
  if #gaps == 0 then return end
  redis.call('LREM', messages, #gaps, '')
  for _, one in ipairs(gaps) do redis.call('ZREM', ids, one) end
end
