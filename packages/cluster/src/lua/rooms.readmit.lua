-- ARGV 3 user ('' for visitors and former members), 4 time (ms): only what was said before it is taken back ('' for
-- whatever was said)
local user, before = ARGV[3], tonumber(ARGV[4])
if user ~= '' then
  redis.call('HDEL', EXPELLED, 'm:' .. user)
  local held = expulsion('u:' .. user)
  if held and (not before or (tonumber(held.sinceMs) or 0) < before) then redis.call('HDEL', EXPELLED, 'u:' .. user) end
else
  for _, field in ipairs(redis.call('HKEYS', EXPELLED)) do
    if string.sub(field, 1, 2) ~= 'u:' then redis.call('HDEL', EXPELLED, field) end
  end
end
return 1
