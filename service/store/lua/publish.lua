-- Appends an event to its user's stream and publishes it, with the id that the stream gave it.
-- KEYS[1] events:{uid}; ARGV: most entries, ttl_s, envelope, name ('': none), how many entries to look for that name
-- among ('0': it is published in any case), then the channels.
-- Answers the id; that of the first publication, where one of that name is found.
if ARGV[5] ~= '0' then
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[5])) do
    if entry[2][3] == 'n' and entry[2][4] == ARGV[4] then
      return entry[1]
    end
  end
end
local id
if ARGV[4] == '' then
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[3])
else
  id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[3], 'n', ARGV[4])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
local envelope = '{"id":"' .. id .. '",' .. string.sub(ARGV[3], 2)
for channel = 6, #ARGV do
  redis.call('PUBLISH', ARGV[channel], envelope)
end
return id
