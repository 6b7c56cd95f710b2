-- Writes a file, or removes it (no size), if its version is the one that was read (`*`: whatever it is), and keeps the index
-- of names. A record is `\1version created modified size`, a newline, the content; its name in the index is the path, a zero
-- byte, and the same head. Returns 1 where it stands, else the record that stands ('' for none).
-- KEYS files names
-- ARGV path seen fresh size content ttl_ms
-- WITH once
-- WITH now
-- WITH version
local record = versioned(redis.call('HGET', files, path)) or ''
local head = string.match(record, '^\1([^\n]*)\n')
local known, created = string.match(head or '', '^(%x+) (%d+)')
if seen ~= '*' and seen ~= (known or '') then return record, false end
if head then redis.call('ZREM', names, path .. '\0' .. head) end
if size == '' then
  redis.call('HDEL', files, path)
else
  head = table.concat({fresh, created or now, now, size}, ' ')
  redis.call('HSET', files, path, '\1' .. head .. '\n' .. content)
  redis.call('ZADD', names, 0, path .. '\0' .. head)
end
for _, key in ipairs({files, names}) do
  if ttl_ms == '0' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ttl_ms) end
end
return 1
