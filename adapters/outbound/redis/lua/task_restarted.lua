-- A worker's process is new: what it held is offered again.
-- KEYS: the worker's stream; our book of it. ARGV: group; worker; channel and message that wake who
-- waits; token. Run again with the same token, it returns the same.
-- Returns the ids of the entries whose payload is gone.
local stream, book, group, worker = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local gone, any, from = {}, false, '-'
if redis.call('HGET', book, 'lost_by') == ARGV[5] then
  for id in string.gmatch(redis.call('HGET', book, 'lost'), '%S+') do gone[#gone + 1] = id end
end

repeat
  local pending = redis.pcall('XPENDING', stream, group, from, '+', 1000, worker)
  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
  for _, held in ipairs(pending) do
    local id = held[1]
    from = '(' .. id
    if #redis.call('XRANGE', stream, id, id) == 0 then
      redis.call('XACK', stream, group, id)
      gone[#gone + 1] = id
    elseif held[4] > 0 then
      redis.call('XCLAIM', stream, group, worker, 0, id, 'TIME', 0, 'JUSTID')
      any = true
    end
  end
until #pending < 1000
-- They are acknowledged, and would be told no more if the answer were lost.
if #gone > 0 then
  redis.pcall('HSET', book, 'lost_by', ARGV[5], 'lost', table.concat(gone, ' ', 1, math.min(#gone, 1000)))
end
if any then redis.pcall('HSET', book, 'next', 0) end
if any or #gone > 0 then
  if redis.call('PTTL', book) < 1296000000 then redis.call('PEXPIRE', book, 2592000000) end
end
if any then redis.pcall('PUBLISH', ARGV[3], ARGV[4]) end
return gone
