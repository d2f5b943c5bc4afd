-- Says that a process lives, and asks which others do.
-- KEYS[1] pinnokio:listeners; ARGV: holder, ttl_ms.
-- Answers {1 where it was still believed alive, else 0; the living}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now))
local was_there = redis.call('ZSCORE', KEYS[1], ARGV[1]) and 1 or 0
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1])
return {was_there, redis.call('ZRANGE', KEYS[1], 0, -1)}
