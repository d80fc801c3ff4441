-- Makes an entry and a message that tell a gateway whether it is told of such.
-- KEYS: a stream of that gateway's own. ARGV: a channel of its own.
redis.call('XADD', KEYS[1], 'MAXLEN', 1, '*', 'probe', '1')
redis.call('PEXPIRE', KEYS[1], 60000)
redis.call('PUBLISH', ARGV[1], 'probe')
return 1
