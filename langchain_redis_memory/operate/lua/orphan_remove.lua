-- Removes a part whose main key is gone.
-- KEYS main part
-- ARGV
if redis.call('EXISTS', main) == 1 then return 0 end
return redis.call('UNLINK', part)
