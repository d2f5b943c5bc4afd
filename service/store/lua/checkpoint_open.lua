-- Reads what an attempt wrote down of how far it came; whoever reads it is the one who may write from now on.
-- KEYS[1] checkpoint:{task_id}; ARGV: run, attempt, ttl_s. Answers {1, field, value, …}, or {0} where a newer run or
-- attempt has it. What an older run left is dropped.
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt')
local run, attempt = tonumber(has[1] or '0'), tonumber(has[2] or '0')
if run > tonumber(ARGV[1]) or (run == tonumber(ARGV[1]) and attempt > tonumber(ARGV[2])) then
  return {0}
end
if run < tonumber(ARGV[1]) then
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[1], 'run', ARGV[1], 'attempt', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
local answer = redis.call('HGETALL', KEYS[1])
table.insert(answer, 1, 1)
return answer
