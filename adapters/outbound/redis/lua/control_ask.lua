-- Writes down that a worker was asked something, and until when it may reply.
--
-- KEYS: the request, a hash: of each worker "<until ms> <stream it was told>"; `:until` is the
--   latest of these, `:last` who replied last, `:stream` where to. No worker's name has a colon.
-- ARGV: worker; stream it is told; how long it has, in ms; how long replies are kept, in ms.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = now + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[1], ends .. ' ' .. ARGV[2], ':until', ends)
redis.call('PEXPIRE', KEYS[1], ARGV[3] + ARGV[4])
return 1
