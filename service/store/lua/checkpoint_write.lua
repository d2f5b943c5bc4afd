-- Writes down how far an attempt came, if it is the one that opened the checkpoint last.
-- KEYS[1] checkpoint:{task_id}; ARGV: run, attempt, field, value. Answers 1, or 0 where the write is refused.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt')
if has[1] ~= ARGV[1] or has[2] ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
return 1
