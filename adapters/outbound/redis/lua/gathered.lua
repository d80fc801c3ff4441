-- Runs one script for several calls: `run`, defined above, is that script.
-- KEYS: those of each call in turn. ARGV: the number of calls; then for each, how many keys and
-- arguments it has, and its arguments.
-- Returns for each call 1 and its answer, or 0 and its error.
local answers, key, arg = {}, 0, 1
for call = 1, tonumber(ARGV[1]) do
  local keys, args = {}, {}
  for i = 1, tonumber(ARGV[arg + 1]) do keys[i] = KEYS[key + i] end
  for i = 1, tonumber(ARGV[arg + 2]) do args[i] = ARGV[arg + 2 + i] end
  key, arg = key + #keys, arg + 2 + #args
  local ran, answer = pcall(run, keys, args)
  local failed = type(answer) == 'table' and answer.err
  if ran and not failed then
    answers[call] = {1, answer}
  else
    local message = failed or tostring(answer)
    -- It is no call's own trouble, and the connection has to hear of it.
    if string.find(message, '^READONLY') then return redis.error_reply(message) end
    answers[call] = {0, message}
  end
end
return answers
