-- Takes one more figure into a running mean: the first one as it is, each later one by its weight.
-- KEYS[1] the mean; ARGV: figure, weight. Answers the new mean.
local mean = tonumber(redis.call('GET', KEYS[1]) or ARGV[1])
local answer = string.format('%.3f', mean + ARGV[2] * (ARGV[1] - mean))
redis.call('SET', KEYS[1], answer)
return answer
