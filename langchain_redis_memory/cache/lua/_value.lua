-- Fragment: a value is stored as `\1expires fresh delta version tags\n` and its body; times are in milliseconds (0: no end),
-- the version in microseconds, tags as `tag=token`. No body means that it was deleted. Tokens stand beside the values.
local moment = math.floor(now / 1000)
local function text(number) return string.format('%.0f', number) end
local function token(tag) return redis.call('HGET', values, 't' .. tag) or '0' end
local function found(name)
  local record = redis.call('HGET', values, 'v' .. name)
  local expires, fresh, delta, version, tags, at = string.match(record or '', '^\1(%d+) (%d+) (%d+) (%d+) ([^\n]*)\n()')
  if not expires then return {version = 0, there = false} end
  local one = {expires = tonumber(expires), fresh = tonumber(fresh), delta = delta, version = tonumber(version), tags = tags}
  one.body = string.sub(record, at)
  one.there = one.body ~= '' and (expires == '0' or one.expires > moment)
  for tag, mine in string.gmatch(tags, '([^ =]+)=(%S+)') do one.there = one.there and token(tag) == mine end
  return one
end
