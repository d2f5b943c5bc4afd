-- Counts an LLM request against a limit of the last hour, unless the limit is reached.
-- KEYS[1] a sorted set: start → when, ms; ARGV: start, limit, window_ms.
-- Answers {1, 0}, also where this start counts already, or {0, ms until one counts no more}.
local time = redis.call('TIME')
local now, window = time[1] * 1000 + math.floor(time[2] / 1000), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now - window))
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {1, 0}
end
local count, limit = redis.call('ZCARD', KEYS[1]), tonumber(ARGV[2])
if count >= limit then
  -- The limit may have been lowered: so many have to leave that one more is let in.
  local first = redis.call('ZRANGE', KEYS[1], count - limit, count - limit, 'WITHSCORES')
  return {0, first[2] and first[2] + window - now or window}
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], window)
return {1, 0}
