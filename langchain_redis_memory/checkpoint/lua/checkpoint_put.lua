-- Stores a checkpoint and its new channel values, all or nothing. Returns {digest, ...} of the list elements that are
-- neither stored nor sent; where there are any, nothing was written. After the named arguments come `refs` references
-- (channel, NUL, version), then `values` times: reference, channel, kind, body; then triples: channel, digest, element.
-- Kinds: `-` no value, `+` the body is the value, `*` the body is the digests of a list; behind it the one it may go on.
-- KEYS checkpoints order blobs writes
-- ARGV ttl_ms ns id parent body refs values ...
-- WITH once
-- WITH whole
-- WITH owned
-- WITH now
-- WITH live
-- WITH alive
-- WITH runs
-- WITH elements
if gone then return gone, false end
local start, sent, found, missing = 8 + refs, {}, {}, {}
for i = start + 4 * values, #ARGV, 3 do sent[ARGV[i] .. ARGV[i + 1]] = ARGV[i + 2] end
for i = start, start + 4 * values - 1, 4 do
  if string.sub(ARGV[i + 2], 1, 1) == '*' then
    found[i] = runs(ARGV[i + 1], ARGV[i + 3], 'b' .. ns .. '\0' .. string.sub(ARGV[i + 2], 2))
    lacking(ARGV[i + 1], found[i], sent, missing)
  end
end
if #missing > 0 then return missing, false end
alive(ttl_ms, 1)
local marks = {}
for i = start, start + 4 * values - 1, 4 do
  local kind, value = string.sub(ARGV[i + 2], 1, 1), ARGV[i + 3]
  marks[ARGV[i]] = kind == '-' and '-' or '+'
  if found[i] then value = ranges(ARGV[i + 1], found[i], sent) end
  if kind ~= '-' then keep('b' .. ns .. '\0' .. ARGV[i], kind .. value) end -- an older checkpoint may have one: it stays
end
store()
local parts = {#parent .. ':' .. parent}
for i = 8, start - 1 do
  local mark = marks[ARGV[i]] or redis.call('HSTRLEN', blobs, 'b' .. ns .. '\0' .. ARGV[i]) > 0 and '+' or '-'
  parts[#parts + 1] = #ARGV[i] + 1 .. ':' .. mark .. ARGV[i]
end
local references = table.concat(parts)
local record = string.format('\1%013.0f', now) .. #references .. ':' .. references .. body
redis.call('HSET', checkpoints, ns .. '\0' .. id, record)
redis.call('ZADD', order, 0, 'i' .. id .. '\0' .. ns, unpack(ns ~= '' and {0, 'n' .. ns .. '\0' .. id} or {}))
return written()
