-- Settles a delivery: it is not made again.
--
-- ARGV: group; stream (own, global); id.
-- Returns 1 if it was in the worker's hands, else 0.
local group, stream, id = ARGV[1], ARGV[2], ARGV[3]

if (deliveries(group, stream, id) or 0) == 0 then return 0 end
if stream == 'own' then
  redis.call('XACK', own, group, id)
  redis.call('XDEL', own, id)
else
  redis.call('HDEL', mailbox, 'g:' .. id)
end
return 1
