-- Takes the earliest command that the lane can carry, of the worker's own and those for everyone.
-- Run again with the same token, it takes the same, or nothing if the worker holds that no more.
--
-- ARGV: token; group; worker; lease in ms; lane (poll, stream); last id of the stream for everyone;
--   a place to set back to that id; then, if any are known, what came for everyone: the place
--   before it, the id up to which it is all there is, and each id with its kind (any, runtime, none).
-- Returns {ids given up, what, ...}:
--   own, id, fields | global, id   taken
--   none, ms                       nothing; in so many ms something is due (-1: nothing is)
--   behind, place                  what came for everyone after that place has to be told
--   ahead, place                   the place is beyond that last id
--   void                           the take was undone before it came
local token, group, worker, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local lane, last, back, from, upto = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]

local MAX_DELIVERIES = 5
-- Of either stream. The oldest makes room, or a lane that cannot carry what a worker holds would
-- bring it nothing more at all.
local MAX_HELD = 1000

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local gone, soonest = {}, -1

local function fits(kind) return lane == 'poll' or kind ~= 'runtime' end

local function kind_of(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'control_type' then
      return fields[i + 1] == 'runtime_manage' and 'runtime' or 'any'
    end
  end
  return 'none'
end

-- Whether a command is in somebody's hands for now, and no delivery is due.
local function rests(count, idle)
  if count == 0 or idle >= lease then return false end
  local rest = lease - idle
  if soonest < 0 or rest < soonest then soonest = rest end
  return true
end

local list = takes()
for _, take in ipairs(list) do
  if take.token == token then
    if take.stream == 'void' then return { gone, 'void' } end
    -- It may be a copy that came late: what it took is settled by then, and another is not for it.
    if take.stream ~= 'past' and (deliveries(group, take.stream, take.id) or 0) > 0 then
      if take.stream == 'global' then return { gone, 'global', take.id } end
      local entry = redis.call('XRANGE', own, take.id, take.id)[1]
      if entry then return { gone, 'own', take.id, entry[2] } end
    end
    return { gone, 'none', 0 }
  end
end

-- The place among those for everyone. None are there if the last id is 0-0: as ids go by the
-- clock, whatever comes then is beyond any place.
local place = redis.call('HGET', mailbox, 'place')
if not place or place == back then
  place = last
  redis.call('HSET', mailbox, 'place', place)
end
renew()
if last ~= '0-0' and before(last, place) then return { gone, 'ahead', place } end
local told = from and not before(place, from) and before(place, upto)
if before(place, last) and not told then return { gone, 'behind', place } end

-- Of those for everyone: what it holds, and else what it has not heard.
local heard
local held = {}
local all = redis.call('HGETALL', mailbox)
for i = 1, #all, 2 do
  local id = all[i]:match('^g:(.+)$')
  if id then
    local count, since, kind = all[i + 1]:match('^(%d+) (%d+) (%S+)$')
    count = tonumber(count)
    local resting = rests(count, now - since)
    if not resting and count >= MAX_DELIVERIES then
      redis.call('HDEL', mailbox, 'g:' .. id)
      gone[#gone + 1] = id
    else
      held[#held + 1] = id
      if not resting and fits(kind) and (not heard or before(id, heard.id)) then
        heard = { id = id, count = count, kind = kind }
      end
    end
  end
end

local function hold(id, count, since, kind)
  redis.call('HSET', mailbox, 'g:' .. id, count .. ' ' .. since .. ' ' .. kind)
end

if told and not heard then
  table.sort(held, before)
  local reached = place
  for i = 10, #ARGV, 2 do
    local id, kind = ARGV[i], ARGV[i + 1]
    if before(place, id) and kind ~= 'none' then
      if fits(kind) then
        heard = { id = id, count = 0, kind = kind, new = true }
        break
      end
      if #held >= MAX_HELD then
        local oldest = table.remove(held, 1)
        redis.call('HDEL', mailbox, 'g:' .. oldest)
        gone[#gone + 1] = oldest
      end
      hold(id, 0, 0, kind)
      held[#held + 1] = id
    end
    if before(reached, id) then reached = id end
  end
  if not heard then reached = upto end
  if reached ~= place then redis.call('HSET', mailbox, 'place', reached) end
  if not heard and before(reached, last) then return { gone, 'behind', reached } end
end

-- Of its own: what is pending and due, and else what is new. So much is looked at in one go.
local mine, more

local function park(id)
  redis.call('XCLAIM', own, group, worker, 0, id, 'TIME', 0, 'RETRYCOUNT', 0, 'JUSTID')
end

local function give_up(id)
  redis.call('XACK', own, group, id)
  redis.call('XDEL', own, id)
  gone[#gone + 1] = id
end

local function look_at_own()
  local pending = ask('XPENDING', own, group, '-', '+', MAX_HELD)
  if not pending then
    redis.call('XGROUP', 'CREATE', own, group, '0')
    pending = {}
  end
  for _, one in ipairs(pending) do
    local id, idle, count = one[1], one[3], one[4]
    if not rests(count, idle) then
      local entry = redis.call('XRANGE', own, id, id)[1]
      if count >= MAX_DELIVERIES or not entry then
        give_up(id)
      elseif fits(kind_of(entry[2])) then
        mine = { id = id, count = count, fields = entry[2] }
        return
      end
    end
  end
  for new = 1, MAX_HELD do
    local read = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', own, '>')
    if not read then return end
    local entry = read[1][2][1]
    if fits(kind_of(entry[2])) then
      mine = { id = entry[1], count = 0, fields = entry[2], new = true }
      return
    end
    park(entry[1])
    -- Those given up above are among the pending no more, and nothing is lost by it.
    if #pending + new > MAX_HELD then give_up(pending[#pending + new - MAX_HELD][1]) end
  end
  more = true
end

if redis.call('EXISTS', own) == 1 then look_at_own() end

if more then return { gone, 'none', 0 } end

if mine and heard and before(heard.id, mine.id) then
  if mine.new then park(mine.id) end
  mine = nil
end
if mine then
  redis.call('XCLAIM', own, group, worker, 0, mine.id, 'RETRYCOUNT', mine.count + 1, 'JUSTID')
  remember(list, token, 'own', mine.id)
  return { gone, 'own', mine.id, mine.fields }
end
if heard then
  if heard.new then redis.call('HSET', mailbox, 'place', heard.id) end
  hold(heard.id, heard.count + 1, now, heard.kind)
  remember(list, token, 'global', heard.id)
  return { gone, 'global', heard.id }
end
return { gone, 'none', soonest }
