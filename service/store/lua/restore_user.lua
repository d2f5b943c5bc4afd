-- Writes a legacy user entry again, unless one is there that is as new.
-- KEYS[1] registry:user:{user_id}; ARGV: last_seen_at, ttl_s, then field, value, …
-- Answers 1 written, 0 not. Both times are UTC `YYYY-MM-DDTHH:MM:SSZ`, which sort as text.
local has = redis.call('HGET', KEYS[1], 'last_seen_at')
if has and has >= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
