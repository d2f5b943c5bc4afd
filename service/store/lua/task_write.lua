-- Writes fields of a running task, if the writer's run and attempt are still the newest.
-- KEYS[1] registry:task:{task_id}; ARGV: run, attempt, ttl_s (0: as it is), then field, value, …
-- Answers 1, or 0 where the write is refused. A writer who did not hear that its end was written asks again: it knows
-- its own by the time of the end.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt', 'status', 'ended_at')
if has[1] ~= ARGV[1] or has[2] ~= ARGV[2] then
  return 0
end
if has[3] ~= 'processing' then
  for i = 4, #ARGV, 2 do
    if ARGV[i] == 'ended_at' then
      return has[4] == ARGV[i + 1] and 1 or 0
    end
  end
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if ARGV[3] ~= '0' then
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return 1
