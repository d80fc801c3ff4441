-- Leases reports out: first those whose lease is over, then new ones, the oldest first. Run again
-- with the same token, it leases the same ones out.
-- KEYS: the spool; what the token stands for.
-- ARGV: group; consumer; how many at most; how long a lease is, the token is known, and a consumer
-- may be silent that holds nothing, in ms.
-- Returns the entries, and the ids of those whose payload is gone.
local stream, taken = KEYS[1], KEYS[2]
local group, consumer, limit, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
-- What is answered at once: somebody has to hold it all in memory.
local ROOM = 8388608
local entries, gone, room = {}, {}, ROOM

local function add(entry)
  entries[#entries + 1] = entry
  for _, text in ipairs(entry[2]) do room = room - #text end
end

local function payload(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then return entry end
  redis.call('XACK', stream, group, id)
  gone[#gone + 1] = id
end

local known = redis.call('GET', taken)
if known then
  for id in string.gmatch(known, '%S+') do
    local held = redis.pcall('XPENDING', stream, group, id, id, 1, consumer)
    local entry = held[1] and payload(id)
    if entry then add(entry) end
  end
  return {entries, gone}
end
if redis.call('EXISTS', stream) == 0 then return {entries, gone} end

local due = redis.pcall('XPENDING', stream, group, 'IDLE', lease, '-', '+', limit)
if due.err then
  if not string.find(due.err, 'NOGROUP', 1, true) then return due end
  redis.call('XGROUP', 'CREATE', stream, group, '0')
  due = {}
end
for _, one in ipairs(due) do
  if room <= 0 then break end
  local entry = payload(one[1])
  if entry then
    redis.call('XCLAIM', stream, group, consumer, 0, one[1], 'JUSTID')
    add(entry)
  end
end
while #entries < limit and room > 0 do
  local read = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', 1, 'STREAMS', stream, '>')
  if not read then break end
  add(read[1][2][1])
end

if #entries < limit then
  for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
    local of = {}
    for i = 1, #info, 2 do of[info[i]] = info[i + 1] end
    if of.pending == 0 and of.idle > tonumber(ARGV[6]) and of.name ~= consumer then
      redis.call('XGROUP', 'DELCONSUMER', stream, group, of.name)
    end
  end
end
if #entries > 0 then
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = entry[1] end
  redis.pcall('SET', taken, table.concat(ids, ' '), 'PX', ARGV[5])
end
return {entries, gone}
