-- A run is being worked on: the lease of its task begins anew, and it is not lost.
-- KEYS: the worker's stream. ARGV: group; worker; run. Returns how many leases were renewed.
local stream, group, worker = KEYS[1], ARGV[1], ARGV[2]
local renewed = 0

local from = '-'
repeat
  local pending = redis.pcall('XPENDING', stream, group, from, '+', 1000, worker)
  if pending.err and not string.find(pending.err, 'NOGROUP', 1, true) then return pending end
  for _, held in ipairs(pending) do
    local id = held[1]
    from = '(' .. id
    local entry = held[4] > 0 and redis.call('XRANGE', stream, id, id)[1]
    local task, run
    for i = 1, entry and #entry[2] or 0, 2 do
      local name, value = entry[2][i], entry[2][i + 1]
      if name == 'task_id' then task = value elseif name == 'run_id' then run = value end
    end
    if run == '' then run = nil end
    if entry and (run or task) == ARGV[3] then
      redis.call('XCLAIM', stream, group, worker, 0, id, 'IDLE', 0, 'JUSTID')
      renewed = renewed + 1
    end
  end
until #pending < 1000
return renewed
