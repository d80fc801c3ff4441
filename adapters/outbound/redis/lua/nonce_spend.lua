-- Takes down that a worker has used a nonce.
-- KEYS: what it has used: each nonce, and until when that is remembered (ms).
-- ARGV: the nonce; for how long it is remembered (ms); how many are, at most.
-- Returns 1 if it is used for the first time, 0 if it was used before, -1 if there is no room.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = redis.call('ZSCORE', KEYS[1], ARGV[1])
if till and tonumber(till) > now then return 0 end
local over = redis.call('ZCOUNT', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) - over >= tonumber(ARGV[3]) then return -1 end
-- A few at a time: what is over takes room, but nobody waits until all of it is gone.
if over > 0 then redis.call('ZREMRANGEBYRANK', KEYS[1], 0, math.min(over, 64) - 1) end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
