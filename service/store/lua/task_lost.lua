-- Puts a run whose worker is gone back to `queued`, which fences the attempt that it was at.
-- KEYS[1] registry:task:{task_id}; ARGV: run, ttl_s, most losses, worker ('': the whole worker's, whose lease ran out; else
-- the prefix of worker_id, whose process died at this run), most worker losses.
-- Answers {word, attempt}, and 1 where it counted the loss: 'queued'; 'lost' (too many of its attempts went so) and 'cancelled', both still to be ended
-- by the caller; 'none' (it is not so, or no longer, or somebody else runs it).
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt', 'status', 'lease_until', 'worker_id', 'cancel',
  'celery_task_id', 'losses', 'worker_losses')
if has[1] ~= ARGV[1] or has[3] ~= 'processing' or has[7] == '' then
  return {'none', 0}
end
if ARGV[4] == '' then
  local time = redis.call('TIME')
  if tonumber(has[4] or '0') > time[1] * 1000 + math.floor(time[2] / 1000) then
    return {'none', 0}
  end
elseif string.sub(has[5] or '', 1, #ARGV[4]) ~= ARGV[4] then
  return {'none', 0}
end
local attempt = tonumber(has[2] or '0')
if has[6] == '1' then
  redis.call('HSET', KEYS[1], 'lease_until', '0')
  return {'cancelled', attempt}
end
-- Whoever ends a lost run may die too: the next look finds it again, without a lease, and its death counted.
local is_counted = tonumber(has[4] or '0') == 0
local losses, worker_losses = tonumber(has[8] or '0'), tonumber(has[9] or '0')
if not is_counted and ARGV[4] == '' then
  worker_losses = redis.call('HINCRBY', KEYS[1], 'worker_losses', 1)
elseif not is_counted then
  losses = redis.call('HINCRBY', KEYS[1], 'losses', 1)
end
if losses >= tonumber(ARGV[3]) or worker_losses >= tonumber(ARGV[5]) then
  redis.call('HSET', KEYS[1], 'lease_until', '0')
  return {'lost', attempt, not is_counted and 1 or nil}
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'lease_until', '0', 'progress_percent', '0')
redis.call('HDEL', KEYS[1], 'current_step')
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'queued', attempt, not is_counted and 1 or nil}
