-- Counts a reservation no more whose holder has ended without releasing it; maintenance still looks at what it wrote.
-- KEYS[1] as in storage_reserve; ARGV: holder.
local field = 'held:' .. ARGV[1]
local held = redis.call('HGET', KEYS[1], field)
if held then
  redis.call('HSET', KEYS[1], field, (string.gsub(held, '^(%d+) %d+', '%1 0')))
end
return held and 1 or 0
