-- Notes or renews open sockets of a user.
-- KEYS[1] presence:{uid}; ARGV: hold_ms, ttl_s, then sockets.
-- Answers 1 where the user had no socket that still counts, else 0.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was_empty = redis.call('ZCOUNT', KEYS[1], now, '+inf') == 0
local until_ms = string.format('%.0f', now + ARGV[1])
for i = 3, #ARGV do
  redis.call('ZADD', KEYS[1], until_ms, ARGV[i])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return was_empty and 1 or 0
