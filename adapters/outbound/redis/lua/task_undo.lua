-- Undoes a delivery, once for each token: that of the entry with the id, or without one, what the
-- take with the token took. A take that comes later than this takes nothing.
-- KEYS: the worker's stream; our book of it.
-- ARGV: group; worker; token; id or ''; channel and message that wake who waits.
-- Returns 1 if the task waits again, else 0.
local stream, book, group, worker, token, id = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local known = redis.call('HMGET', book, 'taken', 'voided')
local voided = known[2] or ''
if string.find(voided, token, 1, true) then return 0 end
if id == '' then id = known[1] and string.match(known[1], token .. ' ([%d-]+);') end
voided = voided .. token .. ';'
-- About the last 32.
while #voided > 560 do voided = string.match(voided, ';(.*)') end
-- Without memory to spare a script stores something only after it has changed something.
redis.call('HDEL', book, '')
redis.call('HSET', book, 'voided', voided)
if redis.call('PTTL', book) < 1296000000 then redis.call('PEXPIRE', book, 2592000000) end
if not id then return 0 end

local pending = redis.pcall('XPENDING', stream, group, id, id, 1, worker)
local held = pending[1]
if not held or held[4] == 0 or #redis.call('XRANGE', stream, id, id) == 0 then return 0 end
redis.call('XCLAIM', stream, group, worker, 0, id, 'TIME', 0, 'RETRYCOUNT', held[4] - 1, 'JUSTID')
redis.pcall('HSET', book, 'next', 0)
redis.pcall('PUBLISH', ARGV[5], ARGV[6])
return 1
