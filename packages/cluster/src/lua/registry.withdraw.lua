-- ARGV 2 node, 3 incarnation. The index keeps the node until what it held is swept.
local node = ARGV[2]
local known = record(redis.call('HGET', TERMS, node), { 'term', 'incarnation' })
if not known or known.incarnation ~= ARGV[3] then return 0 end
redis.call('DEL', ENTRIES .. node)
redis.call('ZADD', INDEX, 0, node)
return 1
