-- ARGV 3 user ('' for visitors), 4 time (ms): only what was said before it is taken back ('' for whatever was said)
local field = ARGV[3] ~= '' and 'u:' .. ARGV[3] or 'visitors'
local held = expulsion(field)
if held and ARGV[4] ~= '' and (tonumber(held.sinceMs) or 0) >= tonumber(ARGV[4]) then return 0 end
return redis.call('HDEL', EXPELLED, field)
