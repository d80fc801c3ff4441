-- Tells whether a worker may reply, and writes down that it does.
--
-- KEYS: the request, as in control_ask. ARGV: worker; what the name of a reply's stream begins
--   with; the stream to use where another was told; then, if it names one, the worker's.
-- Returns {yes, stream}, {unknown} or {theirs}.
local worker, prefix, default, named = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local asked = redis.call('HGET', KEYS[1], worker)
if not asked then
  -- A request that nobody is asked any more is unknown.
  local ends = redis.call('HGET', KEYS[1], ':until')
  return { ends and tonumber(ends) > now and 'theirs' or 'unknown' }
end
local ends, told = asked:match('^(%d+) (.*)$')
if tonumber(ends) <= now then return { 'unknown' } end
if named and named ~= told then return { 'theirs' } end
local stream = told:sub(1, #prefix) == prefix and told or default
redis.call('HSET', KEYS[1], ':last', worker, ':stream', stream)
return { 'yes', stream }
