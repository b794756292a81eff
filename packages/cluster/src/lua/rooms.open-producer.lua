-- ARGV 3 'producer' or 'data', 4 epoch, 5 id, 6 record
local published, epoch, id = cjson.decode(ARGV[6]), tonumber(ARGV[4]), ARGV[5]
local key = ARGV[3] == 'producer' and PRODUCERS or DATA

local owner = get(PARTICIPANTS, published.sessionId)
if not owner then return 0 end
if not holds(owner, epoch, published.nodeId) and not half_holds(owner, epoch, published.nodeId) then return 0 end
-- What it takes the place of has to be the same session's, and still there.
if published.replaces then
  local former = get(PRODUCERS, published.replaces)
  if not former or former.sessionId ~= published.sessionId then published.replaces = nil end
end
-- Written again (a retry, or a later term of the node) it keeps its pause state and tells nobody.
local known = get(key, id)
if known then
  known.term, known.epoch = published.term, published.epoch
  redis.call('HSET', key, id, cjson.encode(known))
else
  redis.call('HSET', key, id, cjson.encode(published))
  if ARGV[3] == 'producer' then
    emit({ type = 'producer-opened', producer = visible(published, 'published') })
  else
    emit({ type = 'data-producer-opened', dataProducer = visible(published, 'published') })
  end
end
return 1
