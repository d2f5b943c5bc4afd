-- Deletes a hash whose field still holds a value: a user who took a new session since then stays.
-- KEYS[1]: the hash. ARGV: field, value. Answer: 1 deleted, 0 not.
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('DEL', KEYS[1])
end
return 0
