-- Makes a run a worker's.
-- KEYS: whose it is. ARGV: the worker; for how many ms that is known; the channel on which gateways
-- hear of it; the message.
-- Returns whose it was, if it was anybody's.
local owner = redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2], 'GET')
if owner and string.match(owner, '^%S+') ~= ARGV[1] then
    redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return owner
