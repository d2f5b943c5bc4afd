-- Takes a task id for a user, unless its task is queued or running.
-- KEYS[1] registry:task:{task_id}; ARGV: user_id, ttl_s, then field, value, …
-- Answers {'claimed', run} | {'running', celery_task_id, status} (the same user) | {'taken'} (another user).
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'processing' then
  if redis.call('HGET', KEYS[1], 'user_id') ~= ARGV[1] then
    return {'taken'}
  end
  return {'running', redis.call('HGET', KEYS[1], 'celery_task_id') or '', status}
end
-- The server's clock, in microseconds (exact in Lua until the year 2255): a run's number stays above that of a run
-- whose entry has expired since.
local now = redis.call('TIME')
local run = now[1] * 1000000 + now[2]
local last = tonumber(redis.call('HGET', KEYS[1], 'run') or '0')
if run <= last then
  run = last + 1
end
local number = string.format('%.0f', run)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'run', number, 'attempt', '0', unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'claimed', number}
