-- KEYS 1 outbox; ARGV 1 group, 2 consumer, 3 most lines. The caller is the only one that drains (it holds the lock):
-- what any consumer took and did not acknowledge comes first, so that no younger line overtakes an older one.
local function claim()
  return redis.pcall('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, '0-0', 'COUNT', ARGV[3])
end
local claimed = claim()
if claimed.err then
  if not string.find(claimed.err, 'NOGROUP', 1, true) then return claimed end
  redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')
  claimed = claim()
end
local entries = claimed[2]
if #entries == 0 then
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
  entries = read and read[1] and read[1][2] or {}
end
local flat = {}
for _, entry in ipairs(entries) do
  if entry and entry[2] then
    flat[#flat + 1] = entry[1]
    flat[#flat + 1] = entry[2][2]
    flat[#flat + 1] = entry[2][4] or ''
  end
end
return flat
