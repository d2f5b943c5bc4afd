-- Forgets the sockets of processes that died: nobody renewed them.
-- KEYS[1] presence:{uid}.
-- Answers 1 where that were the user's last ones, so that one caller alone learns it; else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local removed = redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
return (removed > 0 and redis.call('EXISTS', KEYS[1]) == 0) and 1 or 0
