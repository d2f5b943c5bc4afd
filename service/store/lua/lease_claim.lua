-- Takes a lease that is free, or whose holder is known to be dead.
-- KEYS[1] listener:{name}; ARGV: holder, ttl_s, the dead holder ('' for none).
-- Answers who holds it now.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then
  return holder
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
