-- KEYS 1 outbox, 2 id of the last line, 3 mark of this line; ARGV 1 line, 2 id it would have, 3 '1' when it has been shown with
-- that id already, 4 how long the mark stays (ms). Asked again after a lost answer it says the same and appends nothing.
local known = redis.call('GET', KEYS[3])
if known then return known end

local function parts(id) return tonumber(string.sub(id, 1, 15)), tonumber(string.sub(id, 17)) end
local id = ARGV[2]
if ARGV[3] ~= '1' then
  local last = redis.call('GET', KEYS[2])
  if last then
    local ms, seq = parts(id)
    local last_ms, last_seq = parts(last)
    -- Another line was accepted first: this one comes after it.
    if ms < last_ms or (ms == last_ms and seq <= last_seq) then id = string.format('%015.0f-%08.0f', last_ms, last_seq + 1) end
  end
  redis.call('SET', KEYS[2], id, 'PX', ARGV[4])
end
redis.call('XADD', KEYS[1], '*', 'line', ARGV[1], 'id', id)
redis.call('SET', KEYS[3], id, 'PX', ARGV[4])
return id
