-- Adds a turn to a conversation, unless a newer run or attempt has added one; drops the oldest beyond the bounds.
-- KEYS[1] conversation:{company}:{user}:{id}; ARGV: run, attempt, ttl_s, most turns, most bytes of turns, turn, then
-- field, value, … Answers 1, or 0 where the turn is refused.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt')
local run, attempt = tonumber(has[1] or '0'), tonumber(has[2] or '0')
if run > tonumber(ARGV[1]) or (run == tonumber(ARGV[1]) and attempt > tonumber(ARGV[2])) then
  return 0
end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'attempt', ARGV[2], 'turn:' .. ARGV[1], ARGV[6], unpack(ARGV, 7))
local turns = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local number = string.match(field, '^turn:(%d+)$')
  if number then
    table.insert(turns, tonumber(number))
  end
end
table.sort(turns, function(a, b) return a > b end)
local bytes = 0
for place, number in ipairs(turns) do
  local field = 'turn:' .. string.format('%.0f', number)
  bytes = bytes + redis.call('HSTRLEN', KEYS[1], field)
  -- The newest stays, whatever its size.
  if place > 1 and (place > tonumber(ARGV[4]) or bytes > tonumber(ARGV[5])) then
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
