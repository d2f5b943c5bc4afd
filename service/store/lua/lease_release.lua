-- Gives a lease back, if it is still this holder's.
-- KEYS[1] listener:{name}; ARGV: holder. Answers 1 where it was.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
