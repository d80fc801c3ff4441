-- Lets a task wait again, behind all others, with what it held and why it was given back.
-- KEYS: the worker's stream; our book of it. ARGV: group; worker; id; reason; time in ISO 8601; token.
-- Run again with the same token, it changes nothing and returns the same.
-- Returns 1, or 0 if nothing awaited it, -1 if it is in another's hands, -2 if its payload is gone.
local stream, book, group, worker, id, token = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3], ARGV[6]

local returned = redis.call('HGET', book, 'returned') or ''
if string.find(returned, token, 1, true) then return 1 end
if redis.call('HGET', book, 'lost_by') == token then return -2 end
local pending = redis.pcall('XPENDING', stream, group, id, id, 1)
if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
local held = pending[1]
if not held then return 0 end
if held[2] ~= worker then return -1 end
if held[4] == 0 then return 0 end
local entry = redis.call('XRANGE', stream, id, id)[1]
if not entry then
  redis.call('XACK', stream, group, id)
  redis.pcall('HSET', book, 'lost_by', token, 'lost', id)
  return -2
end

local fields, count, before = {}, nil, 0
for i = 1, #entry[2], 2 do
  local name, value = entry[2][i], entry[2][i + 1]
  if name == 'requeue_count' then
    count = tonumber(value)
  elseif name == 'requeue_reason' or name == 'requeue_at' then
    -- Gateways that do not count have given it back once at least.
    before = 1
  else
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
end
for _, text in ipairs({
  'requeue_reason', ARGV[4], 'requeue_at', ARGV[5], 'requeue_count', (count or before) + 1,
}) do
  fields[#fields + 1] = text
end
-- First what may fail for want of memory: then nothing has changed.
redis.call('XADD', stream, '*', unpack(fields))
redis.call('XACK', stream, group, id)
redis.call('XDEL', stream, id)
returned = returned .. token .. ';'
-- About the last 32.
while #returned > 560 do returned = string.match(returned, ';(.*)') end
redis.pcall('HSET', book, 'returned', returned)
if redis.call('PTTL', book) < 1296000000 then redis.call('PEXPIRE', book, 2592000000) end
return 1
