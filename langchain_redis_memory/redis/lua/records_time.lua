-- Gives the time, in seconds as text, of the server that holds the records.
-- KEYS times
-- ARGV
-- WITH seconds
return string.format('%.17g', seconds)
