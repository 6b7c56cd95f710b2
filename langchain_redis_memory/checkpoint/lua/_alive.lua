-- Fragment: `alive(ttl_ms, changes)` makes the thread's keys exist, moves their lifetime together and adds to its count of
-- changes. A thread without expiry is pinned: none of its keys has one. A write never shortens a lifetime; no `ttl_ms` makes it
-- permanent. A key of another type is an error here, before anything is written. The first write is one that a full server
-- refuses: after a PEXPIRE it would let all others pass. A thread without an owner becomes the asker's (see `_owned`).
-- `written()` is the reply of a write: {'new'} where it made the thread, for the index.
local made
local function written() return made and {'new'} or {} end
local function alive(ttl_ms, changes)
  local left = redis.call('PTTL', checkpoints)
  made = left == -2
  if made then
    redis.call('HSET', checkpoints, '', changes)
    redis.call('ZADD', order, 0, '')
    redis.call('HSET', blobs, '', '')
    redis.call('HSET', writes, '', '')
  else
    for _, key in ipairs({blobs, writes}) do redis.call('HLEN', key) end
    redis.call('ZCARD', order)
    redis.call('HINCRBY', checkpoints, '', changes)
  end
  if asker ~= '' then redis.call('HSETNX', checkpoints, 'owner', asker) end
  if left ~= -1 then live(left, ttl_ms, 'touch') end
end
