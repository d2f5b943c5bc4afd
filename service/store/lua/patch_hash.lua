-- Changes one hash at once: whatever is asked of it happens together or, where a condition fails, not at all.
-- KEYS[1]: the hash. ARGV[1]: JSON of `service.store.patches.Patch`; what is left out asks for nothing.
-- Answer: {1, the values of `read` as they were before} or {0}.
local key, patch = KEYS[1], cjson.decode(ARGV[1])
local call = redis.call

local exists = (patch.only_if or patch.clear) and call('EXISTS', key) == 1
if (patch.only_if == 'exists' and not exists) or (patch.only_if == 'new' and exists) then
  return {0}
end
for field, value in pairs(patch.guard or {}) do
  if call('HGET', key, field) ~= value then
    return {0}
  end
end
for field, values in pairs(patch.refuse or {}) do
  local has = call('HGET', key, field)
  for _, value in ipairs(values) do
    if has == value then
      return {0}
    end
  end
end

local answer = {1}
if patch.read then
  local values = call('HMGET', key, unpack(patch.read))
  for i = 1, #patch.read do
    answer[i + 1] = values[i]
  end
end

if patch.clear and exists then
  for _, field in ipairs(call('HKEYS', key)) do
    for _, prefix in ipairs(patch.clear) do
      if string.sub(field, 1, #prefix) == prefix then
        call('HDEL', key, field)
      end
    end
  end
end
for _, field in ipairs(patch.drop or {}) do
  call('HDEL', key, field)
end

-- Fields are written many at a time; more than some thousand words do not fit one call of Lua.
local words = {}
local function write(field, value)
  words[#words + 1] = field
  words[#words + 1] = value
  if #words >= 1000 then
    call('HSET', key, unpack(words))
    words = {}
  end
end
for field, value in pairs(patch.set or {}) do
  write(field, value)
end
if #words > 0 then
  call('HSET', key, unpack(words))
end
for field, value in pairs(patch.default or {}) do
  call('HSETNX', key, field, value)
end

-- A list's element is a field whose value is its place; one that is already there keeps it.
for _, field in ipairs(patch.append or {}) do
  if call('HEXISTS', key, field) == 0 then
    call('HSET', key, field, call('HINCRBY', key, '#', 1))
  end
end
-- Finding the oldest takes longer than all the rest: each tenth time, so that a few more stay meanwhile.
for prefix, kept in pairs(patch.keep or {}) do
  if call('HINCRBY', key, '#' .. prefix, 1) % 10 == 0 then
    local elements, all = {}, call('HGETALL', key)
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, #prefix) == prefix then
        table.insert(elements, {all[i], tonumber(all[i + 1])})
      end
    end
    table.sort(elements, function(a, b) return a[2] < b[2] end)
    for i = 1, #elements - kept do
      call('HDEL', key, elements[i][1])
    end
  end
end
if (patch.ttl_s or 0) > 0 then
  call('EXPIRE', key, patch.ttl_s)
end
return answer
