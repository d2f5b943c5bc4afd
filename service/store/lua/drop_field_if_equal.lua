-- Drops a field that still holds a value: what was renewed since it was read stays.
-- KEYS[1]: the hash. ARGV: field, value. Answer: 1 dropped, 0 not.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
