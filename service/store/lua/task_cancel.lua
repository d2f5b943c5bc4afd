-- Cancels a task: a queued one at once, and so one that somebody else runs, who hears of it at the next report; a
-- running one by telling its worker, which ends it.
-- KEYS[1] registry:task:{task_id}; ARGV: user_id ('': anyone's), ended_at, ttl_s.
-- Answers {word, run, attempt}: 'unknown', 'ended', 'cancelled' (it has ended so), 'asked' (it runs).
local has = redis.call('HMGET', KEYS[1], 'user_id', 'status', 'run', 'attempt', 'celery_task_id')
if not has[1] or not has[2] or (ARGV[1] ~= '' and has[1] ~= ARGV[1]) then
  return {'unknown', '0', '0'}
end
local run, attempt = has[3] or '0', has[4] or '0'
if has[2] == 'queued' or (has[2] == 'processing' and has[5] == '') then
  redis.call('HSET', KEYS[1], 'status', 'cancelled', 'progress_percent', '0', 'ended_at', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  return {'cancelled', run, attempt}
end
if has[2] == 'processing' then
  redis.call('HSET', KEYS[1], 'cancel', '1')
  return {'asked', run, attempt}
end
return {'ended', run, attempt}
