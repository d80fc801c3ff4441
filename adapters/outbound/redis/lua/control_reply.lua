-- Writes a reply, in the place of one that was there.
--
-- KEYS: the stream of the reply. ARGV: how long it is kept, in s; request, success, data, error.
redis.call('XADD', KEYS[1], 'MAXLEN', '=', 1, '*',
  'request_id', ARGV[2], 'success', ARGV[3], 'data', ARGV[4], 'error', ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
