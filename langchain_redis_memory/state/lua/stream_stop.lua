-- Stops one run of a conversation's stream of tokens and returns 1: its last event says so, and its writer appends
-- nothing more. Returns 0 where it was stopped before.
-- KEYS tokens stopped_runs
-- ARGV run most ttl_ms event
-- WITH once
if redis.call('SISMEMBER', stopped_runs, run) == 1 then return 0 end
redis.call('XADD', tokens, 'MAXLEN', '~', most, '*', 'e', event) -- first: where it is refused, the run is not stopped
redis.call('PEXPIRE', tokens, ttl_ms)
redis.call('SADD', stopped_runs, run)
redis.call('PEXPIRE', stopped_runs, ttl_ms)
return 1
