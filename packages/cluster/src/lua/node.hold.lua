-- KEYS 1 term, 2 sessions, 3 rooms; ARGV 1 term, 2 lease (ms), 3 '1' for a term that begins, then pairs of room and index
-- score to take out.
-- A new term starts without leases: the node restores those that it still holds. The index of rooms stays, what the
-- former term left in them is still to be swept. Answers 0, or a later term that stands there.
local term, lease = tonumber(ARGV[1]), ARGV[2]
local held = tonumber(redis.call('GET', KEYS[1]) or '-1') or -1
if is_time(held) and held > term then return whole(held) end
if held ~= term and ARGV[3] == '1' then redis.call('DEL', KEYS[2]) end
local long = whole(tonumber(lease) * 1000)
redis.call('SET', KEYS[1], ARGV[1], 'PX', long)
redis.call('PEXPIRE', KEYS[2], lease)
for i = 4, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[3], ARGV[i]) == ARGV[i + 1] then redis.call('ZREM', KEYS[3], ARGV[i]) end
end
redis.call('PEXPIRE', KEYS[3], long)
return '0'
