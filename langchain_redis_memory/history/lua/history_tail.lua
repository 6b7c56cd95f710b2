-- Gives the newest messages of one conversation within the bounds (0: no bound): at most `max_messages`, at most
-- `max_tokens` tokens, from at most `max_turns` user messages back. Oldest first.
-- KEYS messages ids
-- ARGV max_messages max_tokens max_turns
local most, budget, turns = tonumber(max_messages), tonumber(max_tokens), tonumber(max_turns)
if redis.call('EXISTS', messages) < redis.call('EXISTS', ids) then error('EVICTED') end
local size, taken, spent, seen = redis.call('LLEN', messages), 0, 0, 0
while taken < size and (most == 0 or taken < most) and (turns == 0 or seen < turns) do
  local letter, cost = string.match(redis.call('LINDEX', messages, -1 - taken), '^\1(%a)(%d+)')
  spent = spent + tonumber(cost or 0)
  if budget > 0 and spent > budget then break end
  if letter == 'h' or letter == 'H' then seen = seen + 1 end
  taken = taken + 1
end
if taken == 0 then return {} end
return redis.call('LRANGE', messages, -taken, -1)
