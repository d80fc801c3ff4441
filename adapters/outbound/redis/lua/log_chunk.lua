-- Stores pieces of a log file, if nobody else has changed since what is held of it.
-- KEYS: the pieces of the run; what is held of its files.
-- ARGV: log_type; what was held, and what is with these pieces; pieces to keep, about; for how many
-- ms; the time; then of each piece data, offset, is_final.
-- Returns 1, or what is held if that is something else.
local held = redis.call('HGET', KEYS[2], ARGV[1]) or ''
if held == ARGV[3] then
    -- It was done before, and the answer got lost.
    return 1
elseif held ~= ARGV[2] then
    return held
end
for at = 7, #ARGV, 3 do
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'log_type', ARGV[1], 'data', ARGV[at],
        'offset', ARGV[at + 1], 'is_final', ARGV[at + 2], 'timestamp', ARGV[6])
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
