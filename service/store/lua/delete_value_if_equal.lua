-- Deletes a key that still has a value: a lease that is this holder's, a collection that counts for this company.
-- KEYS[1]; ARGV: value. Answers 1 where it had.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
