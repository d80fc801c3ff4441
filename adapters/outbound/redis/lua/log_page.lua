-- Reads a page of the log of a run.
-- KEYS: the log. ARGV: the number of the first line that is asked for; lines, and bytes, on a page
-- at the most.
-- Returns how many lines there were, the number of the first that is returned, and the fields of
-- each.
local length = redis.call('XLEN', KEYS[1])
if length == 0 then
    return { 0, 0, {} }
end
local added = length
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
for at = 1, #facts, 2 do
    -- Before Redis 7 nobody counts what is gone.
    if facts[at] == 'entries-added' then
        added = math.max(length, facts[at + 1])
    end
end
local first = math.max(tonumber(ARGV[1]), added - length)
local count = math.min(added - first, tonumber(ARGV[2]))
if count <= 0 then
    return { added, first, {} }
end
local entries, skip, step
local before, after = first - (added - length), added - first
if before + count <= after then
    entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', before + count)
    skip, step = before + 1, 1
else
    entries = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', after)
    skip, step = #entries, -1
end
local lines, bytes = {}, 0
for place = 0, count - 1 do
    local entry = entries[skip + place * step]
    if entry then
        local fields = entry[2]
        for at = 1, #fields do
            bytes = bytes + #fields[at]
        end
        if place > 0 and bytes > tonumber(ARGV[3]) then
            break
        end
        lines[#lines + 1] = fields
    end
end
return { added, first, lines }
