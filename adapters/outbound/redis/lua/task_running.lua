-- A worker lives and says how many tasks it runs. If it runs none, what it has held long enough to
-- count it is offered again; if it runs fewer than it holds, leases are looked at.
-- KEYS: the worker's stream; our book of it. ARGV: group; worker; how many; heartbeat interval in
-- ms; channel and message that wake who waits; token. Run again with the same token, it returns the
-- same. Returns the ids of the entries whose payload is gone.
local stream, book, group, worker = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local running, interval = tonumber(ARGV[3]), tonumber(ARGV[4])
local gone = {}
if redis.call('HGET', book, 'lost_by') == ARGV[7] then
  for id in string.gmatch(redis.call('HGET', book, 'lost'), '%S+') do gone[#gone + 1] = id end
end

local all = redis.pcall('XPENDING', stream, group)
if all.err and not string.find(all.err, 'NOGROUP', 1, true) then return all end
if all.err or all[1] == 0 then return gone end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Without memory to spare a script stores something only after it has changed something.
redis.call('HDEL', book, '')
redis.pcall('HSET', book, 'beat_at', clock(), 'running', running)
if redis.call('PTTL', book) < 1296000000 then redis.call('PEXPIRE', book, 2592000000) end
if running >= all[1] then return gone end

local now, told, lost, from = clock(), 0, 0, '-'
repeat
  local pending = redis.call('XPENDING', stream, group, from, '+', 1000, worker)
  for _, held in ipairs(pending) do
    local id, since = held[1], now - held[3]
    from = '(' .. id
    -- What is known to be lost (since 0) is offered again already.
    if held[4] > 0 and since > 1000000 and since + 2 * interval < now then
      told = told + 1
      if running == 0 then
        if #redis.call('XRANGE', stream, id, id) == 0 then
          redis.call('XACK', stream, group, id)
          gone[#gone + 1] = id
        else
          redis.call('XCLAIM', stream, group, worker, 0, id, 'TIME', 0, 'JUSTID')
          lost = lost + 1
        end
      end
    end
  end
until #pending < 1000
-- They are acknowledged, and would be told no more if the answer were lost.
if #gone > 0 then
  redis.pcall('HSET', book, 'lost_by', ARGV[7], 'lost', table.concat(gone, ' ', 1, math.min(#gone, 1000)))
end
local next_due = tonumber(redis.call('HGET', book, 'next'))
if lost > 0 or (running > 0 and told > running and (next_due or now) >= now) then
  redis.pcall('HSET', book, 'next', 0)
  redis.pcall('PUBLISH', ARGV[5], ARGV[6])
end
return gone
