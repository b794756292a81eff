-- KEYS 8 who was put out of the room, until when: 'u:<user>' for whoever was kicked, 'm:<user>' for a former member (as
-- long as they are a visitor), 'visitors' for everybody but its owner and members
local EXPELLED = KEYS[8]

local function expulsion(field)
  local held = record(redis.call('HGET', EXPELLED, field), { 'expiresAtMs' })
  if held and held.expiresAtMs > now then return held end
  return nil
end
