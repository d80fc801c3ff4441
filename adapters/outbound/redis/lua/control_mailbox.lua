-- What the scripts on one worker's commands share; it stands before each of them.
--
-- KEYS: the worker's stream; its mailbox, a hash:
--   place      the last command for everyone that the worker has heard
--   g:<id>     one that it heard and has not settled: "<deliveries> <since ms> <kind>"
--   takes      what was taken lately, and by which token: "<token> <stream> <id>;" and so on. The
--              stream is own or global; void, if the take was undone; past, if another took the same
-- A command that was delivered 0 times is in the worker's hands in name only: it was released, or
-- no lane came by that can carry it.
local own, mailbox = KEYS[1], KEYS[2]

-- For how long a mailbox is kept that nobody uses, in ms.
local KEPT = 2592000000

-- How many takes are remembered.
local MAX_TAKES = 32

-- Whether one id of an entry comes before another. Numbers of Lua would not hold all of them.
local function before(a, b)
  local a_ms, a_seq = a:match('^(%d+)-(%d+)$')
  local b_ms, b_seq = b:match('^(%d+)-(%d+)$')
  if #a_ms ~= #b_ms then return #a_ms < #b_ms end
  if a_ms ~= b_ms then return a_ms < b_ms end
  if #a_seq ~= #b_seq then return #a_seq < #b_seq end
  return a_seq < b_seq
end

local function renew()
  if redis.call('PTTL', mailbox) < KEPT / 2 then redis.call('PEXPIRE', mailbox, KEPT) end
end

-- The takes that are remembered, the oldest first.
local function takes()
  local list = {}
  local text = redis.call('HGET', mailbox, 'takes') or ''
  for token, stream, id in text:gmatch('(%S+) (%S+) (%S+);') do
    list[#list + 1] = { token = token, stream = stream, id = id }
  end
  return list
end

-- Remembers a take; whoever took the same before holds it no more.
local function remember(list, token, stream, id)
  local kept = {}
  for _, take in ipairs(list) do
    if take.token ~= token then
      if take.stream == stream and take.id == id then take.stream = 'past' end
      kept[#kept + 1] = take.token .. ' ' .. take.stream .. ' ' .. take.id .. ';'
    end
  end
  kept[#kept + 1] = token .. ' ' .. stream .. ' ' .. id .. ';'
  local first = math.max(1, #kept - MAX_TAKES + 1)
  -- Without memory to spare a script stores something only after it has changed something.
  redis.call('HDEL', mailbox, '')
  redis.call('HSET', mailbox, 'takes', table.concat(kept, '', first))
  renew()
end

-- What Redis answers, or nothing if the group is missing. Asked again, it raises any other error
-- itself: only so its code comes first, by which it is known.
local function ask(...)
  local answer = redis.pcall(...)
  local refused = answer and answer.err
  if not refused then return answer end
  if not refused:find('NOGROUP', 1, true) then redis.call(...) end
end

-- How often a command in the worker's hands was delivered; nothing, if it is not in its hands.
local function deliveries(group, stream, id)
  if stream == 'global' then
    local held = redis.call('HGET', mailbox, 'g:' .. id)
    return held and tonumber(held:match('^%d+'))
  end
  -- No stream or no group: then nothing is in anybody's hands.
  local pending = ask('XPENDING', own, group, id, id, 1)
  return pending and pending[1] and pending[1][4]
end

