-- Writes fields of a running task, if the writer's run and attempt are still the newest.
-- KEYS[1] registry:task:{task_id}; ARGV: run, attempt, ttl_s (0: as it is), then field, value, …
-- Answers 1, or 0 where the write is refused.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt', 'status')
if has[1] ~= ARGV[1] or has[2] ~= ARGV[2] or has[3] ~= 'processing' then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if ARGV[3] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 1
