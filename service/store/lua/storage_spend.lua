-- Counts bytes that a collection has gained or, negative, lost; what was reserved for them counts no more.
-- KEYS[1] as in storage_reserve; ARGV: holder ('' for none), collection, bytes, number of this spending of the holder.
-- Answers the collection's bytes. A spending that is repeated has no effect.
local held = ARGV[1] ~= '' and redis.call('HGET', KEYS[1], 'held:' .. ARGV[1])
if held then
  local bytes, until_ms, spent, name = string.match(held, '^(%d+) (%d+) (%d+) (.*)$')
  if tonumber(spent) >= tonumber(ARGV[4]) then
    ARGV[3] = 0
  else
    local left = math.max(0, bytes - math.max(0, ARGV[3]))
    redis.call('HSET', KEYS[1], 'held:' .. ARGV[1], string.format('%.0f %s %s %s', left, until_ms, ARGV[4], name))
  end
end
local field = 'collection:' .. ARGV[2]
local bytes, changes, measured = string.match(redis.call('HGET', KEYS[1], field) or '0 0 0', '^(%d+) (%d+) (%d+)$')
bytes = math.max(0, bytes + ARGV[3])
redis.call('HSET', KEYS[1], field, string.format('%.0f %.0f %s', bytes, changes + 1, measured))
return bytes
