-- Forgets a collection that holds nothing, unless somebody is about to write to it.
-- KEYS[1] as in storage_reserve; ARGV: collection. Answers 1, or 0 where it counts or is reserved for.
local field = 'collection:' .. ARGV[1]
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  if name == field and tonumber(string.match(value, '^%d+')) > 0 then
    return 0
  elseif string.sub(name, 1, 5) == 'held:' and string.match(value, '^%d+ %d+ %d+ (.*)$') == ARGV[1] then
    return 0
  end
end
redis.call('HDEL', KEYS[1], field)
return 1
