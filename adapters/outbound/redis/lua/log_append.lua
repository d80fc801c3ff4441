-- Appends a batch of lines to the log of a run, unless it is there already.
-- A copy may come late, long after others: a connection that was lost may send it when it is back.
-- KEYS: the log; the batches of the last ten minutes, by when they came, 4,096 at most.
-- ARGV: lines to keep, about; for how many ms; how the batch is told from others; then of each line
-- log_type, content, timestamp, sequence.
-- Returns 1, or 0 if the batch was there.
local max, ttl, batch = ARGV[1], ARGV[2], ARGV[3]
if redis.call('ZSCORE', KEYS[2], batch) then
    return 0
end
local count = 0
for at = 4, #ARGV, 4 do
    count = count + 1
    local line = { 'log_type', ARGV[at], 'content', ARGV[at + 1], 'timestamp', ARGV[at + 2], 'sequence', ARGV[at + 3] }
    if count % 100 == 0 or at + 4 > #ARGV then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', max, '*', unpack(line))
    else
        redis.call('XADD', KEYS[1], '*', unpack(line))
    end
end
redis.call('PEXPIRE', KEYS[1], ttl)
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', KEYS[2], now, batch)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 600)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -4097)
redis.call('PEXPIRE', KEYS[2], 600000)
return 1
