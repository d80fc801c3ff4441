-- Adds a dead letter, once for each entry that is given up.
-- KEYS: the dead letters; the mark of the entry. ARGV: how many letters are kept, about; for how
-- many ms the mark is; names and values of the fields in turn. Returns the id of the letter.
local known = redis.call('GET', KEYS[2])
if known then return known end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))
redis.pcall('SET', KEYS[2], id, 'PX', ARGV[2])
return id
