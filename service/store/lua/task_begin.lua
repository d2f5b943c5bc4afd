-- A worker takes a run up: a new attempt, whose number fences those before it.
-- KEYS[1] registry:task:{task_id}; ARGV: run, ttl_s, then field, value, …
-- Answers {'begun', attempt} | {'ended', attempt} (this run has ended) | {'stale', 0} (another run, or no entry).
if redis.call('HGET', KEYS[1], 'run') ~= ARGV[1] then
  return {'stale', 0}
end
local status = redis.call('HGET', KEYS[1], 'status')
if status ~= 'queued' and status ~= 'processing' then
  return {'ended', tonumber(redis.call('HGET', KEYS[1], 'attempt') or '0')}
end
local attempt = redis.call('HINCRBY', KEYS[1], 'attempt', 1)
redis.call('HSET', KEYS[1], 'status', 'processing', unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'begun', attempt}
