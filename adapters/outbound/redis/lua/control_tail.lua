-- Reads the end of the stream for everyone.
--
-- KEYS: the stream. ARGV: the id to read on from, none for the end itself; how many at the most.
-- Returns {the last id there ever was, entries}; 0-0 if there is no stream.
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if info.err then
  if redis.call('EXISTS', KEYS[1]) == 1 then return info end
  return { '0-0', {} }
end
local last
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
end
if ARGV[1] == '' then return { last, {} } end
return { last, redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2]) }
