-- Appends an event to its user's stream and publishes it, with the id that the stream gave it.
-- KEYS[1] events:{uid}; ARGV: most entries, ttl_s, envelope, then the channels.
-- Answers the id.
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
local envelope = '{"id":"' .. id .. '",' .. string.sub(ARGV[3], 2)
for channel = 4, #ARGV do
  redis.call('PUBLISH', ARGV[channel], envelope)
end
return id
