-- Forgets sockets of a user; without sockets it only counts.
-- KEYS[1] presence:{uid}; ARGV: sockets.
-- Answers how many sockets are left that still count, on any replica.
for i = 1, #ARGV do
  redis.call('ZREM', KEYS[1], ARGV[i])
end
local time = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), '+inf')
