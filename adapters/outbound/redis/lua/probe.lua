-- Makes an entry, and a message if there is a channel for it, that tell a gateway whether it is told
-- of such. It may be run again.
-- KEYS: a stream of that gateway's own. ARGV: a channel of its own, if any.
redis.call('XADD', KEYS[1], 'MAXLEN', 1, '*', 'probe', '1')
redis.call('PEXPIRE', KEYS[1], 60000)
if ARGV[1] then redis.call('PUBLISH', ARGV[1], 'probe') end
return 1
