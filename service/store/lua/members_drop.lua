-- Drops members of a sorted set whose score is still what was read; one that was set anew meanwhile stays.
-- KEYS[1] the set; ARGV: member, score, … Answers how many were dropped.
local dropped = 0
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '-1') == tonumber(ARGV[i + 1]) then
    dropped = dropped + redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return dropped
