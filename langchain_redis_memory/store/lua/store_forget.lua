-- Takes roots without items out of a tenant's index: pairs (root, what was known of it when it was found empty); one that
-- was written to since stays.
-- KEYS roots root_spans
-- ARGV ...
local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', root_spans, ARGV[i]) == ARGV[i + 1] then
    redis.call('ZREM', roots, ARGV[i])
    gone = gone + redis.call('HDEL', root_spans, ARGV[i])
  end
end
return gone
