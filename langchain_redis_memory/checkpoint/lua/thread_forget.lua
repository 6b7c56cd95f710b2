-- Takes a thread and its runs out of a tenant's index.
-- KEYS threads thread_expiries
-- ARGV thread
-- WITH once
-- WITH forget
forget(thread)
return 1
