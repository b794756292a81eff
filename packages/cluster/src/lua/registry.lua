-- Shared by all scripts of the registry. KEYS 1-8 as in keys.ts registryKeyList; ARGV[1] the beginning of every
-- node's entry (entries share the slot of the other keys).
local INDEX, TERMS, FALLEN = KEYS[1], KEYS[2], KEYS[3]
local UNTIL, ON, COUNT = KEYS[4], KEYS[5], KEYS[6]
local PULSE, AMNESTY = KEYS[7], KEYS[8]
local ENTRIES = ARGV[1]

-- A count that is no number is made anew from the reservations.
local function count_reservation(node, by)
  local count = redis.pcall('HINCRBY', COUNT, node, by)
  if type(count) ~= 'number' then
    count = 0
    for _, reserved in ipairs(redis.call('HVALS', ON)) do
      if reserved == node then count = count + 1 end
    end
    redis.call('HSET', COUNT, node, whole(count))
  end
  if count <= 0 then redis.call('HDEL', COUNT, node) end
end

local function drop_reservation(session)
  local node = redis.call('HGET', ON, session)
  if not node then return end
  redis.call('ZREM', UNTIL, session)
  redis.call('HDEL', ON, session)
  count_reservation(node, -1)
end

local function prune_reservations()
  for _, session in ipairs(redis.call('ZRANGEBYSCORE', UNTIL, '-inf', whole(now))) do drop_reservation(session) end
  -- Nothing is reserved: what stands here nevertheless is wrong, and would fill its node for ever.
  if redis.call('EXISTS', UNTIL) == 0 then redis.call('DEL', ON, COUNT) end
end

-- All nodes fall silent together when Redis itself was away. Their entries have expired then, though they are
-- alive: they get two lease times to come back before anybody is swept. One would be over before a node has made its
-- subscription anew that tried it in vain a moment ago.
local function pulse(lease)
  local last = tonumber(redis.call('GET', PULSE) or '0') or 0
  redis.call('SET', PULSE, whole(now), 'PX', whole(lease * 100))
  if now - last > lease / 2 and redis.call('EXISTS', INDEX) == 1 then redis.call('SET', AMNESTY, '1', 'PX', whole(lease * 2)) end
end

-- Flat list of node, term: entries that expired, and former terms of nodes that came back.
local function to_sweep()
  local found = {}
  if redis.call('EXISTS', AMNESTY) == 0 then
    for _, node in ipairs(redis.call('ZRANGEBYSCORE', INDEX, '-inf', whole(now))) do
      if redis.call('EXISTS', ENTRIES .. node) == 0 then
        local known = record(redis.call('HGET', TERMS, node), { 'term', 'incarnation' })
        found[#found + 1] = node
        found[#found + 1] = whole(known and known.term or now)
      end
    end
  end
  local fallen = redis.call('HGETALL', FALLEN)
  for i = 1, #fallen, 2 do
    local former = record(fallen[i + 1], { 'term', 'dueAtMs' })
    if not former then
      redis.call('HDEL', FALLEN, fallen[i])
    elseif former.dueAtMs <= now then
      found[#found + 1] = fallen[i]
      found[#found + 1] = whole(former.term)
    end
  end
  return found
end
