-- Fragment: the server's time in seconds, to the microsecond.
local clock = redis.call('TIME')
local seconds = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
