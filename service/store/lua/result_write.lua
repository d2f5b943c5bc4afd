-- Keeps a run's result, unless a newer run or attempt has one.
-- KEYS[1] result:{task_id}; ARGV: run, attempt, ttl_s, body. Answers 1, or 0 where the write is refused.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt')
local run, attempt = tonumber(has[1] or '0'), tonumber(has[2] or '0')
if run > tonumber(ARGV[1]) or (run == tonumber(ARGV[1]) and attempt > tonumber(ARGV[2])) then
  return 0
end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'attempt', ARGV[2], 'body', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
