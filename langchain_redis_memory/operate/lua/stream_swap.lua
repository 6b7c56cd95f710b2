-- Writes a stream anew with other values in some of its entries, in their order and with its lifetime: an entry cannot be
-- changed. The arguments are pairs (entry, field) and the value that stands there then. Returns 1.
-- KEYS stream aside
-- ARGV ...
local fresh = {}
for i = 1, #ARGV, 3 do
  fresh[ARGV[i]] = fresh[ARGV[i]] or {}
  fresh[ARGV[i]][ARGV[i + 1]] = ARGV[i + 2]
end
local left = redis.call('PTTL', stream)
redis.call('DEL', aside)
for _, entry in ipairs(redis.call('XRANGE', stream, '-', '+')) do
  local fields = entry[2]
  for i = 1, #fields, 2 do fields[i + 1] = (fresh[entry[1]] or {})[fields[i]] or fields[i + 1] end
  redis.call('XADD', aside, entry[1], unpack(fields))
end
if redis.call('EXISTS', aside) == 0 then return 1 end
redis.call('RENAME', aside, stream)
if left > 0 then redis.call('PEXPIRE', stream, left) end
return 1
