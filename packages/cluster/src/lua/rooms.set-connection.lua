-- ARGV 3 session, 4 epoch, 5 connection. A resumed session raises the epoch of its participant here.
local current, epoch = get(PARTICIPANTS, ARGV[3]), tonumber(ARGV[4])
if not current or current.epoch > epoch then return 0 end
if current.epoch ~= epoch or current.connection ~= ARGV[5] then
  current.epoch = epoch
  current.connection = ARGV[5]
  put_participant(current)
  emit({ type = 'participant-updated', participant = visible(current) })
end
return 1
