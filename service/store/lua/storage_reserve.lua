-- Reserves bytes of a company's storage, unless the limit is reached. A second reservation of one holder replaces the
-- first; one whose time is over counts no more, and stays for maintenance to look at.
-- KEYS[1] a hash: 'collection:{name}' → '{bytes} {changes} {measured, ms}', 'held:{holder}' → '{bytes} {until, ms} {spent}
-- {collection}'; ARGV: holder, collection, bytes, limit, ttl_ms.
-- Answers {1, bytes counted, until, is it to be measured now} or {0, bytes counted, ms until a reservation ends or -1}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sum, ends_in, is_measured, is_again = 0, -1, 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  local bytes = tonumber(string.match(value, '^%d+'))
  if string.sub(name, 1, 11) == 'collection:' then
    sum = sum + bytes
    if name == 'collection:' .. ARGV[2] and string.sub(value, -2) ~= ' 0' then
      is_measured = 1
    end
  elseif name == 'held:' .. ARGV[1] then
    is_again = 1
  else
    local left = tonumber(string.match(value, '^%d+ (%d+)')) - now
    if left > 0 then
      sum = sum + bytes
      if ends_in < 0 or left < ends_in then
        ends_in = left
      end
    end
  end
end
if sum + ARGV[3] > tonumber(ARGV[4]) then
  return {0, sum, ends_in}
end
local until_ms = now + ARGV[5]
redis.call('HSET', KEYS[1], 'held:' .. ARGV[1], string.format('%.0f %.0f 0 %s', ARGV[3], until_ms, ARGV[2]))
-- Whoever held it before may have written without saying so.
return {1, sum, until_ms, (is_measured == 0 or is_again == 1) and 1 or 0}
