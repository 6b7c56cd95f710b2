-- Fragment: the last argument is who asks, '' for nobody in particular. A thread belongs to the first who wrote to it under
-- a name, and is as if lost to others: `gone` is {'owned'} then.
local asker = table.remove(ARGV)
local owner = asker ~= '' and redis.call('HGET', checkpoints, 'owner')
if owner and owner ~= asker then gone = {'owned'} end
