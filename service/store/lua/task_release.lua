-- Gives a claimed id back, if its run was never begun.
-- KEYS[1] registry:task:{task_id}; ARGV: celery_task_id, which names the start.
-- Answers {'released', run}; {'begun', run} (a worker has it, or it has ended); {'none', '0'} (the claim never came, or
-- another start has the id).
local has = redis.call('HMGET', KEYS[1], 'celery_task_id', 'status', 'run')
if has[1] ~= ARGV[1] then
  return {'none', '0'}
end
if has[2] ~= 'queued' then
  return {'begun', has[3]}
end
redis.call('DEL', KEYS[1])
return {'released', has[3]}
