-- Ends the leases of a consumer.
-- KEYS: the spool. ARGV: group; consumer; then the ids of the entries. Returns how many it held.
local released = 0
for i = 3, #ARGV do
  local id = ARGV[i]
  local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], id, id, 1, ARGV[2])
  if held[1] then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'TIME', 1, 'JUSTID')
    released = released + 1
  elseif held.err and not string.find(held.err, 'NOGROUP', 1, true) then
    return held
  end
end
return released
