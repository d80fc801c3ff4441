-- Makes sure that a run is a worker's; one that is nobody's becomes its.
-- KEYS: whose it is: a worker, and the claim by which it came to it.
-- ARGV: the worker; for how many ms that is known; the claim, so that it may be repeated.
-- Returns 'first', 'known' or 'other'.
local owner = redis.call('GET', KEYS[1])
local claim = ARGV[1] .. ' ' .. ARGV[3]
if not owner then
    redis.call('SET', KEYS[1], claim, 'PX', ARGV[2])
    return 'first'
elseif string.match(owner, '^%S+') ~= ARGV[1] then
    return 'other'
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return owner == claim and 'first' or 'known'
