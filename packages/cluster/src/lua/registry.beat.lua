-- ARGV 2 node, 3 record, 4 incarnation, 5 lease (ms), 6 channel, 7 'announce', 'claim' or 'probe', 8 number of this
-- beat, 9 '1' while the node is putting back what it holds, 10 the term that it knows of itself (0: none),
-- 11.. sessions that have attached
local node, incarnation, lease, mode = ARGV[2], ARGV[4], tonumber(ARGV[5]), ARGV[7]
local own_term = tonumber(ARGV[10])
local note = redis.call('HGET', TERMS, node)
local known = record(note, { 'term', 'incarnation' })
local alive = redis.call('EXISTS', ENTRIES .. node) == 1
local entry = record(redis.call('GET', ENTRIES .. node), { 'incarnation' })
if note and not (known and is_time(known.term)) then
  known = nil
  -- Who was the node before this is not known any more: all that it has left is older than now.
  if mode == 'announce' or not alive then
    known = { term = now - 1, incarnation = mode == 'announce' and '' or incarnation }
  end
elseif known and mode ~= 'announce' and alive then
  -- Who takes a node over puts its own entry there, and the note of the term names it too; terms only rise. Where the two
  -- disagree one of them is damaged, and this process's entry stands anew.
  local is_own = known.incarnation == incarnation and known.term >= own_term
  local is_rival = known.incarnation ~= incarnation and entry and entry.incarnation == known.incarnation
  if not is_own and not is_rival then known = nil end
end
local status = 'probed'

pulse(lease)
if alive and known and known.incarnation ~= incarnation and mode ~= 'announce' then
  status = 'superseded'
elseif mode ~= 'probe' then
  local term
  if alive and known and known.incarnation == incarnation then
    term, status = known.term, 'renewed'
  else
    term, status = math.max(now, own_term + 1), 'registered'
    if known then
      term = math.max(known.term + 1, now)
      -- A node that lost its entry gets time to announce its sessions anew; a new process has none to announce.
      local due = known.incarnation == incarnation and now + lease or now
      redis.call('HSET', FALLEN, node, cjson.encode({ term = known.term, dueAtMs = due }))
    end
    known = { term = term, incarnation = incarnation }
    redis.call('HSET', TERMS, node, cjson.encode(known))
  end
  redis.call('SET', ENTRIES .. node, ARGV[3], 'PX', whole(lease))
  redis.call('ZADD', INDEX, whole(now + lease), node)
  local former = record(redis.call('HGET', FALLEN, node), { 'term', 'dueAtMs' })
  if ARGV[9] == '1' and former and former.dueAtMs > now then
    -- Its rooms may lie where Redis is not back yet: what it has not announced anew is no ghost as long as it is at it.
    redis.call('HSET', FALLEN, node, cjson.encode({ term = former.term, dueAtMs = now + lease }))
  end
  for i = 11, #ARGV do drop_reservation(ARGV[i]) end
end
if mode == 'probe' and redis.call('EXISTS', AMNESTY) == 1 and redis.call('ZSCORE', INDEX, node) then
  -- It lives, and cannot be heard yet.
  redis.call('ZADD', INDEX, 'GT', whole(now + lease), node)
end
prune_reservations()
redis.call('PUBLISH', ARGV[6], cjson.encode({ t = 'beat', incarnation = incarnation, beat = tonumber(ARGV[8]) }))
return { status, whole(known and known.term or 0), whole(now), to_sweep() }
