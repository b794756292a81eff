-- KEYS 8 who was put out of the room: 'u:<user>', or 'visitors' for everybody but its owner and members
local EXPELLED = KEYS[8]

local function expulsion(field)
  local held = record(redis.call('HGET', EXPELLED, field), { 'expiresAtMs' })
  if held and held.expiresAtMs > now then return held end
  return nil
end
