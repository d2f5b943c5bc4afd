-- Renews the lease of a running attempt.
-- KEYS[1] registry:task:{task_id}; ARGV: run, attempt, lease_ms.
-- Answers 'ours', 'cancel' (ours, and it is to stop) or 'lost' (another attempt or run has taken over, or it ended).
local has = redis.call('HMGET', KEYS[1], 'run', 'attempt', 'status', 'cancel')
if has[1] ~= ARGV[1] or has[2] ~= ARGV[2] or has[3] ~= 'processing' then
  return 'lost'
end
local time = redis.call('TIME')
local lease_until = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
redis.call('HSET', KEYS[1], 'lease_until', string.format('%.0f', lease_until))
return has[4] == '1' and 'cancel' or 'ours'
