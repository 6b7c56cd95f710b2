-- Fragment: `mismatch(has)` is the error of a vector set where vectors of `dims` meet a collection of others.
local function mismatch(has)
  return redis.error_reply('ERR Vector dimension mismatch - got ' .. dims .. ' but set has ' .. has)
end
