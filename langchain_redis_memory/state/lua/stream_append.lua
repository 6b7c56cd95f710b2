-- Appends events of one run to a conversation's stream of tokens and returns 1; 0 and nothing is appended where the run
-- was stopped. The stream lives for `ttl_ms` from its last event.
-- KEYS tokens stopped_runs
-- ARGV run most ttl_ms ...
-- WITH once
if redis.call('SISMEMBER', stopped_runs, run) == 1 then return 0 end
for i = 4, #ARGV do redis.call('XADD', tokens, 'MAXLEN', '~', most, '*', 'e', ARGV[i]) end
redis.call('PEXPIRE', tokens, ttl_ms)
return 1
