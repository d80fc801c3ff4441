-- Settles a delivery: it is not made again.
--
-- ARGV: group; stream (own, global); id.
-- Returns 1 if there was something to settle, else 0.
local group, stream, id = ARGV[1], ARGV[2], ARGV[3]

local count = deliveries(group, stream, id)
if count == 0 then return 0 end
if stream == 'own' then
  -- A failover may lose that it was delivered: in nobody's hands, it would be delivered again.
  if not count then return redis.call('XDEL', own, id) end
  redis.call('XACK', own, group, id)
  redis.call('XDEL', own, id)
  return 1
end
return redis.call('HDEL', mailbox, 'g:' .. id)
