-- Undoes a delivery: it counts no more, is due at once, and whoever waits is told. Run again with
-- the same token, it does nothing.
--
-- ARGV: token; group; worker; channel of the bell; then stream (own, global) and id, or else
--   whatever was taken by the token. A take with it that comes later takes nothing.
-- Returns 1 if something was undone, else 0.
local token, group, worker, bell = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local stream, id = ARGV[5], ARGV[6]

local list = takes()
for _, take in ipairs(list) do
  if take.token == token then
    if take.stream == 'void' or take.stream == 'past' then return 0 end
    stream, id = take.stream, take.id
  end
end
local count = id and deliveries(group, stream, id) or 0
if count > 0 then
  if stream == 'own' then
    redis.call('XCLAIM', own, group, worker, 0, id, 'TIME', 0, 'RETRYCOUNT', count - 1, 'JUSTID')
  else
    local kind = redis.call('HGET', mailbox, 'g:' .. id):match('%S+$')
    redis.call('HSET', mailbox, 'g:' .. id, (count - 1) .. ' 0 ' .. kind)
  end
  redis.call('PUBLISH', bell, 'control ' .. worker)
end
remember(list, token, 'void', token)
return count > 0 and 1 or 0
