-- Fragment: the server's time in milliseconds, as text (a Lua number would be printed with an exponent).
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000))
