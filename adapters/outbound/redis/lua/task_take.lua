-- Hands a worker's next task out, or says when there may be one. Run again with the same token, it
-- hands the same task out, or nothing if that is in the worker's hands no more.
-- Before it stand GROUP; INTERVAL, TIMEOUT (of heartbeats) and GRACE (of a lease), in ms; OWNERS, what
-- the key begins with that says whose a run is, '' if that is in another slot; OWNED, for how many ms
-- that is known; BELL, the channel on which gateways hear of it.
-- KEYS: the worker's stream; our book of it. ARGV: worker; token.
-- Returns the id of an entry, its fields and how often it was handed out, or '', {} and the ms until
-- something may be due; then the ids of the entries whose payload is gone; and 1 if the entry's run
-- was made the worker's, else 0.
local stream, book = KEYS[1], KEYS[2]
local worker, token = ARGV[1], ARGV[2]
-- Whatever the book says, the pending entries are looked at so often.
local REVIEW = 600000
local REST = 1000
-- One that was delivered before this is known to be lost, or was released.
local EVER = 1000000
-- For how long the book is kept.
local KEPT = 2592000000
local gone = {}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', book, 'next', 'beat_at', 'running', 'taken', 'voided', 'kept',
  'lost_by')
local next_due, beat, running = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])

-- Without memory to spare a script stores something only after it has changed something: what is
-- handed out is noted, and when nothing is due may not be, which costs but a look.
local function note(...)
  local kept = tonumber(known[6])
  if kept and kept > now + KEPT / 2 then
    redis.pcall('HSET', book, ...)
  else
    redis.pcall('HSET', book, 'kept', now + KEPT, ...)
    redis.call('PEXPIRE', book, KEPT)
  end
end

-- What Redis answers, or nothing and true if the group is missing. Asked again, it raises any other
-- error itself: only so its code comes first, by which it is known.
local function ask(...)
  local answer = redis.pcall(...)
  local refused = answer and answer.err
  if not refused then return answer end
  if not string.find(refused, 'NOGROUP', 1, true) then redis.call(...) end
  return nil, true
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
  return seconds * 1000 + GRACE
end

-- Makes the run of an entry the worker's, if that can be done here.
local function own(fields)
  local run = field(fields, 'run_id')
  if not run or run == '' then run = field(fields, 'task_id') or '' end
  if OWNERS == '' or #run > 64 or not string.find(run, '^[%w._-]+$') then return 0 end
  local before = redis.pcall('SET', OWNERS .. run, worker, 'PX', OWNED, 'GET')
  if type(before) == 'table' then return 0 end
  if before and string.match(before, '^%S+') ~= worker then
    redis.call('PUBLISH', BELL, 'owner ' .. run)
  end
  return 1
end

-- The answer; what is gone is acknowledged, so that it would be told no more if this were lost.
local function answer(id, fields, number, owned)
  if #gone > 0 then note('lost_by', token, 'lost', table.concat(gone, ' ', 1, math.min(#gone, 1000))) end
  return {id, fields, number, gone, owned}
end
if known[7] == token then
  for id in string.gmatch(redis.call('HGET', book, 'lost'), '%S+') do gone[#gone + 1] = id end
end

local function payload(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if entry then return entry[2] end
  redis.call('XACK', stream, GROUP, id)
  gone[#gone + 1] = id
end

if known[5] and string.find(known[5], token, 1, true) then return {'', {}, 0, gone, 0} end
local place = known[4] and string.find(known[4], token, 1, true)
if place then
  -- It may be a copy that came late: what it took is settled by then, and another is not for it.
  local before = string.match(known[4], '^%S+ ([%d-]+);', place)
  local held = before and redis.pcall('XPENDING', stream, GROUP, before, before, 1, worker)[1]
  local entry = held and held[4] > 0 and redis.call('XRANGE', stream, before, before)[1]
  if entry then return {before, entry[2], held[4], gone, own(entry[2])} end
  return {'', {}, 0, gone, 0}
end

local function hand_out(id, fields, deliveries)
  local taken = known[4] or ''
  -- Whoever took it before holds it no more, and has nothing to undo.
  if string.find(taken, ' ' .. id .. ';', 1, true) then
    taken = string.gsub(taken, ' ' .. string.gsub(id, '-', '%%-') .. ';', ' .;')
  end
  taken = taken .. token .. ' ' .. id .. ';'
  -- About the last 32.
  while #taken > 1200 do taken = string.sub(taken, string.find(taken, ';', 1, true) + 1) end
  note('next', math.min(next_due, now + lease(fields) + 1), 'taken', taken)
  return answer(id, fields, deliveries, own(fields))
end

-- All that is in the worker's hands.
local function hands()
  local all, from = {}, '-'
  repeat
    local page, no_group = ask('XPENDING', stream, GROUP, from, '+', 1000, worker)
    if no_group then return all end
    for _, entry in ipairs(page) do
      all[#all + 1] = entry
      from = '(' .. entry[1]
    end
  until #page < 1000
  return all
end

-- The first of the entries in the worker's hands that is to be offered again, else the first that
-- was released or has rested; and when there is one, if there is none.
local function due(pending)
  local silent = not beat or now > beat + TIMEOUT
  local held, told, free, soon = {}, 0, nil, now + REVIEW
  local spare = 0
  for _, entry in ipairs(pending) do
    local since = now - entry[3]
    local one = {id = entry[1], since = since, count = entry[4], lost = since < EVER}
    if one.count > 0 then
      held[#held + 1] = one
      if not one.lost and (silent or since + 2 * INTERVAL < beat) then told = told + 1 end
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
      soon = math.min(soon, beat + TIMEOUT + 1)
    end
  end
  if free and payload(free.id) then return free end
  -- A payload that is gone may have hidden another one.
  if #gone > 0 then soon = now end
  return nil, soon
end

if not next_due or next_due <= now then
  local one, soon = due(hands())
  if one then
    next_due = 0
    local claimed = redis.call('XCLAIM', stream, GROUP, worker, 0, one.id)
    return hand_out(one.id, claimed[1][2], one.count + 1)
  end
  next_due = soon
  note('next', next_due)
end

local function read()
  local words = {'XREADGROUP', 'GROUP', GROUP, worker, 'COUNT', 1, 'STREAMS', stream, '>'}
  local answer, no_group = ask(unpack(words))
  if no_group then
    redis.call('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
    answer = redis.call(unpack(words))
  end
  return answer and answer[1][2][1]
end

for _ = 1, 100 do
  local entry = read()
  if not entry then return answer('', {}, math.max(0, next_due - now), 0) end
  local added = tonumber(string.match(entry[1], '^%d+'))
  if not field(entry[2], 'requeue_count') or added + REST < now then
    return hand_out(entry[1], entry[2], 1)
  end
  redis.call('XCLAIM', stream, GROUP, worker, 0, entry[1], 'TIME', added, 'RETRYCOUNT', 0, 'JUSTID')
  next_due = math.min(next_due, added + REST + 1)
  note('next', next_due)
end
return answer('', {}, 0, 0)
