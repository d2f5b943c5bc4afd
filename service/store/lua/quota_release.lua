-- Counts a task no more, unless another start of it counts by now.
-- KEYS[1] as in quota_reserve; ARGV: task_id, start. Answers 1 where it was released.
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held or string.sub(held, 1, #ARGV[2] + 1) ~= ARGV[2] .. ' ' then
  return 0
end
return redis.call('HDEL', KEYS[1], ARGV[1])
