-- Changes one hash at once: whatever is asked of it happens together or, where a condition fails, not at all.
-- KEYS[1]: the hash. ARGV[1]: JSON of `service.store.patches.Patch`.
-- Answer: {1, the values of `read` as they were before} or {0}.
local key, patch = KEYS[1], cjson.decode(ARGV[1])

local exists = redis.call('EXISTS', key) == 1
if (patch.only_if == 'exists' and not exists) or (patch.only_if == 'new' and exists) then
  return {0}
end
for field, value in pairs(patch.guard) do
  if redis.call('HGET', key, field) ~= value then
    return {0}
  end
end

local answer = {1}
for i, field in ipairs(patch.read) do
  answer[i + 1] = redis.call('HGET', key, field)
end

if #patch.clear > 0 and exists then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    for _, prefix in ipairs(patch.clear) do
      if string.sub(field, 1, #prefix) == prefix then
        redis.call('HDEL', key, field)
      end
    end
  end
end
for _, field in ipairs(patch.drop) do
  redis.call('HDEL', key, field)
end
for field, value in pairs(patch.set) do
  redis.call('HSET', key, field, value)
end
for field, value in pairs(patch.default) do
  redis.call('HSETNX', key, field, value)
end
-- A list's element is a field whose value is its place; one that is already there keeps it.
for _, field in ipairs(patch.append) do
  if redis.call('HEXISTS', key, field) == 0 then
    redis.call('HSET', key, field, redis.call('HINCRBY', key, '#', 1))
  end
end
for prefix, kept in pairs(patch.keep) do
  local elements, all = {}, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, #prefix) == prefix then
      table.insert(elements, {all[i], tonumber(all[i + 1])})
    end
  end
  table.sort(elements, function(a, b) return a[2] < b[2] end)
  for i = 1, #elements - kept do
    redis.call('HDEL', key, elements[i][1])
  end
end
if patch.ttl_s > 0 then
  redis.call('EXPIRE', key, patch.ttl_s)
end
return answer
