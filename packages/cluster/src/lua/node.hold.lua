-- KEYS 1 term, 2 sessions, 3 rooms; ARGV 1 term, 2 lease (ms), then pairs of room and index score to take out.
-- A new term starts without leases: the node restores those that it still holds. The index of rooms stays, what the
-- former term left in them is still to be swept.
local held, term, lease = (tonumber(redis.call('GET', KEYS[1]) or '-1') or -1), tonumber(ARGV[1]), ARGV[2]
if held > term then return 0 end
if held < term then redis.call('DEL', KEYS[2]) end
local long = whole(tonumber(lease) * 1000)
redis.call('SET', KEYS[1], ARGV[1], 'PX', long)
redis.call('PEXPIRE', KEYS[2], lease)
for i = 3, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[3], ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', KEYS[3], ARGV[i]) end
end
redis.call('PEXPIRE', KEYS[3], long)
return 1
