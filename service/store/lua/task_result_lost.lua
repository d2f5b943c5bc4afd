-- Ends a completed run otherwise whose result is missing, unless it was told of.
-- KEYS[1] registry:task:{task_id}; ARGV: run, ended_at as it was read, then field, value, … (a new `ended_at` among them,
-- by which a writer that comes late is refused). Answers 1, or 0 where it is no longer so.
local has = redis.call('HMGET', KEYS[1], 'run', 'status', 'ended_at', 'announced')
if has[1] ~= ARGV[1] or has[2] ~= 'completed' or has[3] ~= ARGV[2] or has[4] == '1' then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 1
