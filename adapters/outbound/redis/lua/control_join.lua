-- Lets a worker hear what comes for everyone from now on; one that does stays as it is.
--
-- ARGV: last id of the stream for everyone.
redis.call('HSETNX', mailbox, 'place', ARGV[1])
renew()
return 1
