-- How much waits. KEYS: the spool. Returns the number of entries, and the id of the first, or ''.
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
return {redis.call('XLEN', KEYS[1]), first and first[1] or ''}
