-- Drops the arguments of one run; a newer run's stay.
-- KEYS[1] payload:{task_id}; ARGV: run. Answers 1 where they were dropped.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
