-- Hands a worker's next task out, or says when there may be one. Run again with the same token, it
-- hands the same task out.
-- KEYS: the worker's stream; our book of it.
-- ARGV: group; worker; token; heartbeat interval, heartbeat timeout and grace of a lease, in ms.
-- Returns the id of an entry, its fields and how often it was handed out, or '', {} and the ms until
-- something may be due; and then the ids of the entries whose payload is gone.
local stream, book = KEYS[1], KEYS[2]
local group, worker, token = ARGV[1], ARGV[2], ARGV[3]
local interval, timeout, grace = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
-- Whatever the book says, the pending entries are looked at so often.
local REVIEW = 600000
local REST = 1000
-- One that was delivered before this is known to be lost, or was released.
local EVER = 1000000
local gone = {}

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Without memory to spare nothing can be noted, but tasks are still handed out.
local function note(...)
  redis.pcall('HSET', book, ...)
  if redis.call('PTTL', book) < 1296000000 then redis.call('PEXPIRE', book, 2592000000) end
end

local function has_no_group(answer)
  if not (answer and answer.err) then return false end
  if not string.find(answer.err, 'NOGROUP', 1, true) then error(answer.err) end
  return true
end

local function field(fields, name)
  local value
  for i = 1, #fields, 2 do
    if fields[i] == name then value = fields[i + 1] end
  end
  return value
end

local function lease(fields)
  local seconds = tonumber(field(fields, 'timeout'))
  if not seconds or not (seconds >= 1 and seconds <= 2147483647) then seconds = 3600 end
  return seconds * 1000 + grace
end

local function payload(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then return entry[2] end
  redis.call('XACK', stream, group, id)
  gone[#gone + 1] = id
end

local known = redis.call('HMGET', book, 'next', 'beat_at', 'running', 'taken', 'voided')
local next_due, beat, running = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
if known[5] and string.find(known[5], token, 1, true) then return {'', {}, 0, gone} end
local place = known[4] and string.find(known[4], token, 1, true)
if place then
  local before = string.match(known[4], ' ([%d-]+);', place)
  local fields = payload(before)
  local held = redis.pcall('XPENDING', stream, group, before, before, 1, worker)[1]
  if fields and held then return {before, fields, held[4], gone} end
end

local function hand_out(id, fields, deliveries)
  local taken = (known[4] or '') .. token .. ' ' .. id .. ';'
  -- About the last 32.
  while #taken > 1200 do taken = string.sub(taken, string.find(taken, ';', 1, true) + 1) end
  note('next', math.min(next_due, clock() + lease(fields) + 1), 'taken', taken)
  return {id, fields, deliveries, gone}
end

-- The first of the entries in the worker's hands that is to be offered again, else the first that
-- was released or has rested; and when there is one, if there is none.
local function due(now, pending)
  local silent = not beat or now > beat + timeout
  local held, told, free, soon = {}, 0, nil, now + REVIEW
  local spare = 0
  for _, entry in ipairs(pending) do
    local since = now - entry[3]
    local one = {id = entry[1], since = since, count = entry[4], lost = since < EVER}
    if one.count > 0 then
      held[#held + 1] = one
      if not one.lost and (silent or since + 2 * interval < beat) then told = told + 1 end
    elseif since + REST < now then
      free = free or one
    else
      soon = math.min(soon, since + REST + 1)
    end
  end
  if silent then spare = told else spare = told - running end
  for _, one in ipairs(held) do
    if one.lost then
      if payload(one.id) then return one end
    elseif spare > 0 then
      local fields = payload(one.id)
      local over = fields and one.since + lease(fields)
      if over and over < now then return one end
      soon = math.min(soon, over and over + 1 or soon)
    elseif not silent then
      soon = math.min(soon, beat + timeout + 1)
    end
  end
  if free and payload(free.id) then return free end
  -- A payload that is gone may have hidden another one.
  if #gone > 0 then soon = now end
  return nil, soon
end

if not next_due or next_due <= clock() then
  local pending = redis.pcall('XPENDING', stream, group, '-', '+', 1000, worker)
  if has_no_group(pending) then pending = {} end
  local one, soon = due(clock(), pending)
  if one then
    next_due = 0
    local claimed = redis.call('XCLAIM', stream, group, worker, 0, one.id)
    return hand_out(one.id, claimed[1][2], one.count + 1)
  end
  next_due = soon
  note('next', next_due)
end

local function read()
  local answer = redis.pcall('XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', stream, '>')
  if has_no_group(answer) then
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    answer = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', stream, '>')
  end
  return answer and answer[1][2][1]
end

for _ = 1, 100 do
  local entry = read()
  if not entry then return {'', {}, math.max(0, next_due - clock()), gone} end
  local added = tonumber(string.match(entry[1], '^%d+'))
  if not field(entry[2], 'requeue_count') or added + REST < clock() then
    return hand_out(entry[1], entry[2], 1)
  end
  redis.call('XCLAIM', stream, group, worker, 0, entry[1], 'TIME', added, 'RETRYCOUNT', 0, 'JUSTID')
  next_due = math.min(next_due, added + REST + 1)
  note('next', next_due)
end
return {'', {}, 0, gone}
