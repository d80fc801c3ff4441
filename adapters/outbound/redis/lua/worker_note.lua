-- Takes note of what a worker says of itself; the rest stays as it was.
-- KEYS: how the worker is. ARGV: for how many ms that is known; then fields and their values.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
