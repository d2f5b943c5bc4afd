-- Counts a task against a limit, unless the limit is reached. Who was not released counts until its time.
-- KEYS[1] a hash: task_id → '{start} {until, ms}'; ARGV: task_id, start, limit, ttl_ms.
-- Answers 1, also where the task counts already (by whichever start), or 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count, all = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local until_ms = tonumber(string.match(all[i + 1], ' (%d+)$') or '0')
  if until_ms <= now then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] == ARGV[1] then
    return 1
  else
    count = count + 1
  end
end
if count >= tonumber(ARGV[3]) then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. string.format('%.0f', now + ARGV[4]))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
