-- Notes that the event of a run's end was published.
-- KEYS[1] registry:task:{task_id}; ARGV: run. Answers 1, or 0 where the id has another run by now.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'announced', '1')
return 1
