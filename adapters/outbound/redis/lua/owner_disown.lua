-- Takes a run from a worker, if it is its.
-- KEYS: whose it is. ARGV: the worker; the channel on which gateways hear of it; the message.
-- Returns 1, or 0 if it was not.
local owner = redis.call('GET', KEYS[1])
if not owner or string.match(owner, '^%S+') ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
