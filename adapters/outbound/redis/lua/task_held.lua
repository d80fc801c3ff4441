-- Finds what is in a worker's hands: the first entry between two ids, of a task if one is named.
-- KEYS: the worker's stream. ARGV: group; worker; first and last id; task or ''.
-- Returns the id, who holds it, how often it was handed out, its fields; or nothing.
local stream, group, worker, task = KEYS[1], ARGV[1], ARGV[2], ARGV[5]

local from = ARGV[3]
repeat
  local pending = redis.pcall('XPENDING', stream, group, from, ARGV[4], 1000)
  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
  for _, held in ipairs(pending) do
    local id, owner, count = held[1], held[2], held[4]
    local theirs = owner ~= worker
    from = '(' .. id
    if count > 0 and not (theirs and task ~= '') then
      local entry = redis.call('XRANGE', stream, id, id)[1]
      local of
      for i = 1, entry and #entry[2] or 0, 2 do
        if entry[2][i] == 'task_id' then of = entry[2][i + 1] end
      end
      if entry and (task == '' or of == task) then return {id, owner, count, entry[2]} end
    end
  end
until #pending < 1000
return false
