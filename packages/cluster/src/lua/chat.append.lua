-- KEYS 1 outbox, 2 id of the last line, 3 mark of this line; ARGV 1 line, 2 id it would have, 3 '1' when it has been shown with
-- that id already, 4 how long the mark stays (ms). Asked again after a lost answer it says the same and appends nothing.
local known = redis.call('GET', KEYS[3])
if known then return known end

local function parts(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(ms), tonumber(seq)
end
local id = ARGV[2]
if ARGV[3] ~= '1' then
  local last_ms, last_seq = parts(redis.call('GET', KEYS[2]) or '')
  -- One that is damaged is as if no line had been before.
  if last_ms and is_time(last_ms) and last_seq < 99999999 then
    local ms, seq = parts(id)
    -- Another line was accepted first: this one comes after it.
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then id = string.format('%015.0f-%08.0f', last_ms, last_seq + 1) end
  end
  redis.call('SET', KEYS[2], id, 'PX', ARGV[4])
end
redis.call('XADD', KEYS[1], '*', 'line', ARGV[1], 'id', id)
redis.call('SET', KEYS[3], id, 'PX', ARGV[4])
return id
