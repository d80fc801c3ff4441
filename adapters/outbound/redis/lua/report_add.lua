-- Adds reports to a stream, in this order, unless the same call has done it before; and marks the
-- runs that have ended by them.
-- KEYS: the stream; the mark of the call; then the mark of each run that has ended, as they come.
-- ARGV: for how many ms the call is known, and an end; a group that is there before the first
-- report; then of each report how its run ended, or '', the number of its texts, and these:
-- names and values in turn.
-- Returns 1, or 0 if the call went through before.
local stream, call, group = KEYS[1], KEYS[2], ARGV[3]
if redis.call('EXISTS', call) == 1 then return 0 end
-- Whoever made the group later, and from its end, would miss what is there; and without memory to
-- spare none can be made.
if redis.call('EXISTS', stream) == 0 then
  redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
end
local arg, mark = 4, 2
while arg < #ARGV do
  local ended, last = ARGV[arg], arg + 1 + tonumber(ARGV[arg + 1])
  redis.call('XADD', stream, '*', unpack(ARGV, arg + 2, last))
  if ended ~= '' then
    mark = mark + 1
    -- The first end counts.
    redis.pcall('SET', KEYS[mark], ended, 'NX')
    redis.pcall('PEXPIRE', KEYS[mark], ARGV[2])
  end
  arg = last + 1
end
redis.pcall('SET', call, '', 'PX', ARGV[1])
return 1
