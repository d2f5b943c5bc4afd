-- Gives a claimed id back, if its run was never begun.
-- KEYS[1] registry:task:{task_id}; ARGV: run. Answers 1 where it was given back.
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] or redis.call('HGET', KEYS[1], 'status') ~= 'queued' then
  return 0
end
return redis.call('DEL', KEYS[1])
