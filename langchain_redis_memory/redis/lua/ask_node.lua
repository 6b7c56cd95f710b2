-- Asks the node of a key something that names no key, such as its INFO; it must be a command that only reads.
-- KEYS beside
-- ARGV verb ...
return redis.call(unpack(ARGV))
