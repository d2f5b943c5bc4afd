-- Writes down what a collection was measured to hold, unless it changed meanwhile or somebody is about to write to it.
-- Reservations for it whose time was over are gone then: the measure knows what they wrote.
-- KEYS[1] as in storage_reserve; ARGV: collection, bytes, changes that were counted before it was measured.
-- Answers 1, or 0 where it is to be measured again.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local field, changes, over = 'collection:' .. ARGV[1], '0', {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  if name == field then
    changes = string.match(value, '^%d+ (%d+)')
  elseif string.sub(name, 1, 5) == 'held:' and string.match(value, '^%d+ %d+ %d+ (.*)$') == ARGV[1] then
    if tonumber(string.match(value, '^%d+ (%d+)')) > now then
      return 0
    end
    over[#over + 1] = name
  end
end
if changes ~= ARGV[3] then
  return 0
end
for _, name in ipairs(over) do
  redis.call('HDEL', KEYS[1], name)
end
redis.call('HSET', KEYS[1], field, string.format('%s %s %.0f', ARGV[2], changes, now))
return 1
