-- Takes reports out of the spool.
-- KEYS: the spool. ARGV: group; then their ids. Returns how many there were.
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
return redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
