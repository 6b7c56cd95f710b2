-- Fragment: `fetch(found, prefix, names)` appends what `blobs` has under prefix and name; returns what is gone, if any is.
local function fetch(found, prefix, names)
  local filled = #found
  for first = 1, #names, 1000 do
    local some = {}
    for i = first, math.min(first + 999, #names) do some[i - first + 1] = prefix .. names[i] end
    for i, value in ipairs(redis.call('HMGET', blobs, unpack(some))) do
      if not value then return {'gone', blobs} end
      found[filled + i] = value
    end
    filled = filled + #some
  end
end
