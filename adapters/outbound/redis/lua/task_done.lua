-- Takes a task that is done with out of the queue.
-- KEYS: the worker's stream. ARGV: group; worker; id; buried, if a letter holds it now: then it goes,
-- released or not.
-- Returns 1, or 0 if nothing awaited it, or -1 if it is in another's hands.
local stream, group, worker, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
local held = pending[1]
-- A failover may lose that it was handed out: in nobody's hands, it would be handed out again.
if not held then return redis.call('XDEL', stream, id) end
if held[2] ~= worker then return -1 end
if held[4] == 0 and ARGV[4] ~= 'buried' then return 0 end
redis.call('XACK', stream, group, id)
redis.call('XDEL', stream, id)
return 1
