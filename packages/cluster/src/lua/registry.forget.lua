-- ARGV 2 node, 3 term that was swept. A node that came back meanwhile keeps its entry.
local node, term = ARGV[2], tonumber(ARGV[3])
local former = record(redis.call('HGET', FALLEN, node), { 'term', 'dueAtMs' })
if former and former.term <= term then redis.call('HDEL', FALLEN, node) end

local known = record(redis.call('HGET', TERMS, node), { 'term', 'incarnation' })
if redis.call('EXISTS', ENTRIES .. node) == 1 or (known and known.term > term) then return 0 end
redis.call('ZREM', INDEX, node)
redis.call('HDEL', TERMS, node)
local reserved = redis.call('HGETALL', ON)
for i = 1, #reserved, 2 do
  if reserved[i + 1] == node then drop_reservation(reserved[i]) end
end
return 1
