prune_reservations()
local records = {}
for _, node in ipairs(redis.call('ZRANGE', INDEX, 0, -1)) do
  local entry = redis.call('GET', ENTRIES .. node)
  if entry then
    records[#records + 1] = entry
    records[#records + 1] = redis.call('HGET', COUNT, node) or '0'
  end
end
return { whole(now), records }
