-- Shared by all scripts of a room. KEYS 1-7 as in keys.ts roomKeyList; ARGV[1] room id, ARGV[2] the
-- beginning of every node's channel.
local PARTICIPANTS, PRODUCERS, DATA, NODES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local REVISION, PLACES, ENDED = KEYS[5], KEYS[6], KEYS[7]
local ROOM, CHANNELS = ARGV[1], ARGV[2]
-- What the scripts rely on in each kind of record.
local FIELDS = {
  [PARTICIPANTS] = { 'sessionId', 'userId', 'nodeId', 'epoch' },
  [PRODUCERS] = { 'sessionId', 'nodeId' },
  [DATA] = { 'sessionId', 'nodeId' },
  [PLACES] = { 'sessionId', 'userId', 'name', 'nodeId', 'region', 'epoch', 'expiresAtMs' },
}

-- A room starts at the time in milliseconds: later lives of the same room (also after Redis has lost
-- everything) then have higher revisions than earlier ones, without a key that outlives the room.
local revision = tonumber(redis.call('GET', REVISION) or now)

-- One change: the next revision, told to every node of the room.
local function emit(event)
  revision = revision + 1
  redis.call('SET', REVISION, whole(revision))
  local message = cjson.encode({ t = 'evt', roomId = ROOM, revision = revision, event = event })
  for _, node in ipairs(redis.call('HKEYS', NODES)) do
    redis.call('PUBLISH', CHANNELS .. node, message)
  end
end

local function get(key, field)
  return record(redis.call('HGET', key, field), FIELDS[key])
end

-- What others see of a participant or a producer: without the term of its node.
local function visible(stored)
  local shown = {}
  for name, value in pairs(stored) do
    if name ~= 'term' then shown[name] = value end
  end
  return shown
end

local function put_participant(stored)
  redis.call('HSET', PARTICIPANTS, stored.sessionId, cjson.encode(stored))
end

local function enter(node)
  redis.call('HINCRBY', NODES, node, 1)
end

-- After the events that the node shall still hear.
local function exit(node)
  if redis.call('HINCRBY', NODES, node, -1) <= 0 then redis.call('HDEL', NODES, node) end
end

local function each(key, visit)
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do visit(all[i], record(all[i + 1], FIELDS[key])) end
end

-- Closes producers and data producers for which `match` holds; unreadable records go with them.
local function close_published(match)
  each(PRODUCERS, function(id, stored)
    if not stored then
      redis.call('HDEL', PRODUCERS, id)
    elseif match(stored) then
      redis.call('HDEL', PRODUCERS, id)
      emit({ type = 'producer-closed', producerId = id, sessionId = stored.sessionId })
    end
  end)
  each(DATA, function(id, stored)
    if not stored then
      redis.call('HDEL', DATA, id)
    elseif match(stored) then
      redis.call('HDEL', DATA, id)
      emit({ type = 'data-producer-closed', dataProducerId = id, sessionId = stored.sessionId })
    end
  end)
end

-- Nothing is left of a room without participants (places and burnt tokens expire by themselves).
local function tidy()
  if redis.call('HLEN', PARTICIPANTS) == 0 then
    redis.call('DEL', PARTICIPANTS, PRODUCERS, DATA, NODES, REVISION)
  end
end

local function remove(stored, reason)
  local session = stored.sessionId
  close_published(function(published) return published.sessionId == session end)
  redis.call('HDEL', PARTICIPANTS, session)
  emit({ type = 'participant-left', sessionId = session, epoch = stored.epoch, reason = reason })
  exit(stored.nodeId)
end

-- Writes a participant in place of what its session had (an older epoch, maybe on another node).
local function take_place(current, stored)
  enter(stored.nodeId)
  if current then
    close_published(function(published) return published.sessionId == stored.sessionId end)
  end
  put_participant(stored)
  emit({ type = 'participant-joined', participant = visible(stored) })
  if current then exit(current.nodeId) end
end

-- A participant that cannot be read would keep its room alive for ever.
local function drop_unreadable()
  local broken, count = false, {}
  each(PARTICIPANTS, function(session, stored)
    if stored then
      count[stored.nodeId] = (count[stored.nodeId] or 0) + 1
    else
      broken = true
      redis.call('HDEL', PARTICIPANTS, session)
    end
  end)
  if broken then
    redis.call('DEL', NODES)
    for node, participants in pairs(count) do redis.call('HSET', NODES, node, participants) end
    tidy()
  end
end

local function place(session)
  local held = get(PLACES, session)
  if held and held.expiresAtMs > now then return held end
  return nil
end

local function prune_places()
  each(PLACES, function(session, held)
    if not held or held.expiresAtMs <= now then redis.call('HDEL', PLACES, session) end
  end)
end

local function snapshot()
  return {
    whole(redis.call('EXISTS', REVISION) == 1 and revision or 0),
    redis.call('HVALS', PARTICIPANTS),
    redis.call('HVALS', PRODUCERS),
    redis.call('HVALS', DATA),
  }
end
