-- Milliseconds since 1970 by the clock of Redis: the only clock that decides anything in these scripts.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Whole numbers beyond 2^31 would otherwise be written as 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

-- A record as it was written; nil for one that cannot be read, so that it never stops a script.
local function record(text)
  if not text then return nil end
  local ok, value = pcall(cjson.decode, text)
  if ok and type(value) == 'table' then return value end
  return nil
end
