-- Takes a run up: a new attempt, whose number fences those before it, with a lease.
-- KEYS[1] registry:task:{task_id}; ARGV: run, ttl_s, lease_ms, holder, most losses, most worker losses, then field, value, …
-- `holder` names this taking up: asked again after a broken connection, it gets the same answer.
-- Answers {word, attempt}, and 1 where it counted the loss of the attempt before: 'begun'; 'leased' (another attempt runs); 'ended' (this run has ended); 'stale' (another
-- run, no entry, or somebody else runs it); 'lost' (its attempts took their workers down too often); 'cancelled' (to be
-- ended so).
local has = redis.call('HMGET', KEYS[1], 'run', 'status', 'attempt', 'lease_until', 'holder', 'losses', 'cancel',
  'celery_task_id', 'worker_losses')
if has[1] ~= ARGV[1] or has[8] == '' then
  return {'stale', 0}
end
local attempt = tonumber(has[3] or '0')
if has[2] ~= 'queued' and has[2] ~= 'processing' then
  return {'ended', attempt}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local loss
if has[2] == 'processing' then
  if tonumber(has[4] or '0') > now then
    return {has[5] == ARGV[4] and 'begun' or 'leased', attempt}
  end
  if has[7] == '1' then
    return {'cancelled', attempt}
  end
  -- The last attempt's whole worker went without a word. Without a lease its death was counted, and it is being ended.
  local is_counted = tonumber(has[4] or '0') == 0
  local worker_losses = is_counted and tonumber(has[9] or '0') or redis.call('HINCRBY', KEYS[1], 'worker_losses', 1)
  loss = not is_counted and 1 or nil
  if tonumber(has[6] or '0') >= tonumber(ARGV[5]) or worker_losses >= tonumber(ARGV[6]) then
    return {'lost', attempt, loss}
  end
end
local lease_until = string.format('%.0f', now + ARGV[3])
redis.call('HSET', KEYS[1], 'status', 'processing', 'attempt', attempt + 1, 'lease_until', lease_until,
  'holder', ARGV[4], unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return {'begun', attempt + 1, loss}
