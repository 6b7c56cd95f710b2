-- Fragment: `forget(thread)` takes a thread and its runs out of the index.
local function forget(thread)
  local start = 'b' .. thread .. '/'
  for _, member in ipairs(redis.call('ZRANGEBYLEX', threads, '[' .. start, '(' .. start .. '\255')) do
    redis.call('ZREM', threads, member, 'c' .. string.sub(member, #start + 1) .. '/' .. thread)
  end
  redis.call('ZREM', threads, 'a' .. thread)
  redis.call('ZREM', thread_expiries, thread)
end
