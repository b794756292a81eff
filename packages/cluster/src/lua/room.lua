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
-- It stands there twice: what reads differently is damaged, and a lower one would let every node take events for old.
local function read_revision()
  local first, second = string.match(redis.call('GET', REVISION) or '', '^(%d+) (%d+)$')
  return first and first == second and tonumber(first) or now
end
local revision = read_revision()

-- One change: the next revision, told to every node of the room.
local function emit(event)
  revision = revision + 1
  redis.call('SET', REVISION, whole(revision) .. ' ' .. whole(revision))
  local message = cjson.encode({ t = 'evt', roomId = ROOM, revision = revision, event = event })
  for _, node in ipairs(redis.call('HKEYS', NODES)) do
    redis.call('PUBLISH', CHANNELS .. node, message)
  end
end

-- A participant that moves is on several nodes: where its newest epoch is, and in `halves` those that it comes from,
-- oldest first, until they have left: { nodeId, region, epoch, term } each.
local function halves_of(stored)
  return stored.halves or {}
end

local function whole_halves(halves)
  if halves == nil then return true end
  if type(halves) ~= 'table' then return false end
  for _, half in ipairs(halves) do
    if type(half) ~= 'table' or type(half.nodeId) ~= 'string' or type(half.epoch) ~= 'number' then return false end
  end
  return true
end

local function read(key, text)
  local stored = record(text, FIELDS[key])
  if stored and key == PARTICIPANTS and not whole_halves(stored.halves) then return nil end
  return stored
end

local function get(key, field)
  return read(key, redis.call('HGET', key, field))
end

-- What others see: without what only these scripts need. Everybody sees a participant's epoch; that of a producer
-- says which attachment of its session published it.
local HIDDEN = {
  participant = { term = true, halves = true, knownAs = true },
  published = { term = true, epoch = true },
}

local function visible(stored, kind)
  local shown = {}
  for name, value in pairs(stored) do
    if not HIDDEN[kind][name] then shown[name] = value end
  end
  return shown
end

local function put_participant(stored)
  redis.call('HSET', PARTICIPANTS, stored.sessionId, cjson.encode(stored))
end

local function each(key, visit)
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do visit(all[i], read(key, all[i + 1])) end
end

-- What stands in NODES can be made anew from the participants.
local function count_nodes()
  local count = {}
  local function add(node) count[node] = (count[node] or 0) + 1 end
  each(PARTICIPANTS, function(_, stored)
    if not stored then return end
    add(stored.nodeId)
    for _, half in ipairs(halves_of(stored)) do add(half.nodeId) end
  end)
  return count
end

-- By how many participants of a node there are more; a count that is no number is made anew.
local function add_to_node(node, by)
  local count = redis.pcall('HINCRBY', NODES, node, by)
  if type(count) == 'number' then return count end
  count = math.max(0, (count_nodes()[node] or 0) + math.max(by, 0))
  redis.call('HSET', NODES, node, whole(count))
  return count
end

local function enter(node)
  add_to_node(node, 1)
end

-- After the events that the node shall still hear.
local function exit(node)
  if add_to_node(node, -1) <= 0 then redis.call('HDEL', NODES, node) end
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

-- What an attachment and older ones of its session have published on a node.
local function close_half(session, node, epoch)
  close_published(function(published)
    return published.sessionId == session and published.nodeId == node and (published.epoch or 0) <= epoch
  end)
end

local function exit_all(stored)
  exit(stored.nodeId)
  for _, half in ipairs(halves_of(stored)) do exit(half.nodeId) end
end

local function remove(stored, reason)
  local session = stored.sessionId
  close_published(function(published) return published.sessionId == session end)
  redis.call('HDEL', PARTICIPANTS, session)
  emit({ type = 'participant-left', sessionId = session, epoch = stored.epoch, reason = reason })
  exit_all(stored)
end

-- Writes a participant in place of what its session had (an older epoch, maybe on another node).
local function take_place(current, stored)
  enter(stored.nodeId)
  if current then
    close_published(function(published) return published.sessionId == stored.sessionId end)
    -- One stay in the room has one time of joining: by it a takeover is told from a move.
    stored.joinedAtMs = math.max(stored.joinedAtMs, (tonumber(current.joinedAtMs) or 0) + 1)
  end
  put_participant(stored)
  emit({ type = 'participant-joined', participant = visible(stored, 'participant') })
  if current then exit_all(current) end
end

-- The epoch by which a participant's node knows it: another one than the others see after it came back to a half.
local function own_epoch(stored)
  return stored.knownAs or stored.epoch
end

-- May this attachment change the participant? Nobody older than it may. `from` is the node that asks, '' for any.
local function holds(stored, epoch, from)
  if from == '' then return stored.epoch <= epoch or stored.knownAs == epoch end
  return stored.nodeId == from and own_epoch(stored) <= epoch
end

-- The same for what a participant has not left yet. A half that was resumed there is known by its newer epoch then.
local function half_holds(stored, epoch, from)
  for _, half in ipairs(halves_of(stored)) do
    if half.nodeId == from and half.epoch <= epoch then
      if half.epoch < epoch then
        half.epoch = epoch
        put_participant(stored)
      end
      return true
    end
  end
  return false
end

local function set_halves(stored, halves)
  stored.halves = #halves > 0 and halves or nil
end

-- Takes out the halves that match, with what they published. The caller writes the participant. Nodes leave the room
-- at the end of the caller (`after` collects them), when they have heard all of it.
local function drop_halves(stored, match, after)
  local kept = {}
  for _, half in ipairs(halves_of(stored)) do
    if match(half) then
      close_half(stored.sessionId, half.nodeId, half.epoch)
      after[#after + 1] = half.nodeId
    else
      kept[#kept + 1] = half
    end
  end
  set_halves(stored, kept)
  return #after > 0
end

-- Moves a participant to another node. Where it comes from stays until it leaves there; a half on the node to which
-- it moves is over, since a node has one attachment of a session.
local function hand_over(current, stored)
  local after = {}
  enter(stored.nodeId)
  drop_halves(current, function(half) return half.nodeId == stored.nodeId end, after)
  local halves = halves_of(current)
  halves[#halves + 1] = {
    nodeId = current.nodeId,
    region = current.region,
    epoch = own_epoch(current),
    term = current.term,
  }
  stored.halves = halves
  stored.joinedAtMs = current.joinedAtMs
  put_participant(stored)
  emit({ type = 'participant-updated', participant = visible(stored, 'participant') })
  for _, node in ipairs(after) do exit(node) end
end

-- The newest attachment is gone in a way that nobody wanted, and the one before it is still there: the participant
-- goes back to it. Its epoch rises once more, beyond `last`, the highest of the lost one, so that nothing that comes late
-- from there concerns it, and not to the present: a page that has attached meanwhile and is on its way into the room is
-- newer. The node to which it returns goes on under the epoch that it knows.
local function hand_back(current, last)
  local halves = halves_of(current)
  local half = table.remove(halves)
  local lost = { node = current.nodeId, epoch = own_epoch(current) }
  current.nodeId, current.term, current.knownAs = half.nodeId, half.term, half.epoch
  current.region = half.region or current.region
  current.epoch = math.max(current.epoch, last) + 1
  current.connection = 'connected'
  set_halves(current, halves)
  put_participant(current)
  emit({ type = 'participant-updated', participant = visible(current, 'participant') })
  close_half(current.sessionId, lost.node, lost.epoch)
  exit(lost.node)
end

-- A participant that cannot be read would keep its room alive for ever.
local function drop_unreadable()
  local broken = false
  each(PARTICIPANTS, function(session, stored)
    if stored then return end
    broken = true
    redis.call('HDEL', PARTICIPANTS, session)
  end)
  if broken then
    redis.call('DEL', NODES)
    for node, participants in pairs(count_nodes()) do redis.call('HSET', NODES, node, participants) end
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
