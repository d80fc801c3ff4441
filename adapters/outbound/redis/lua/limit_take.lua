-- Takes from one of a worker's buckets, as much as is there.
-- KEYS: the buckets of the worker: by name, what is missing of each, and since when (µs).
-- ARGV: the name; how many come back each second; how many are in a full one; how many must be
-- there; how many to take at least; how many at most; how many were taken without a word before.
-- Returns how many were taken, or -1 if not enough are there; and how many are missing now.
local name, rate, capacity = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local need, least, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local missing = 0
local held = redis.call('HGET', KEYS[1], name)
if held then
    local was, at = string.match(held, '^(%S+) (%S+)$')
    missing = math.max(0, tonumber(was) - rate * math.max(0, now - tonumber(at)) / 1000000)
end
missing = missing + tonumber(ARGV[7])
local taken = -1
if missing + need <= capacity + 0.000001 then
    taken = math.max(least, math.min(most, math.floor(capacity - missing)))
    missing = missing + taken
end
redis.call('HSET', KEYS[1], name, string.format('%.6f %.0f', missing, now))
-- A full bucket is as good as none.
local full = math.ceil(missing / rate * 1000) + 1000
if redis.call('PTTL', KEYS[1]) < full then
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', full))
end
return {string.format('%.6f', taken), string.format('%.6f', missing)}
