-- Milliseconds since 1970 by the clock of Redis: the only clock that decides anything in these scripts.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Whole numbers beyond 2^31 would otherwise be written as 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

-- Terms and fences are times at which they began. Masters that follow each other may differ by so much; milliseconds.
local MOST_AHEAD_MS = 86400000

local function is_time(number)
  return number >= 0 and number <= now + MOST_AHEAD_MS and number == math.floor(number)
end

local NUMBERS = { epoch = true, term = true, dueAtMs = true, expiresAtMs = true }

-- A record as it was written; nil for one that cannot be read or lacks one of the named fields, so that a broken
-- record never stops a script.
local function record(text, fields)
  if not text then return nil end
  local ok, value = pcall(cjson.decode, text)
  if not ok or type(value) ~= 'table' then return nil end
  for _, field in ipairs(fields) do
    if type(value[field]) ~= (NUMBERS[field] and 'number' or 'string') then return nil end
  end
  return value
end
