-- ARGV 3 session, 4 epoch, 5 connection, 6 node ('' for any). A resumed session raises the epoch of its participant
-- here; a half that the participant has moved away from does not.
local current, epoch = get(PARTICIPANTS, ARGV[3]), tonumber(ARGV[4])
if not current or not holds(current, epoch) or (ARGV[6] ~= '' and current.nodeId ~= ARGV[6]) then return 0 end
local resumed = current.epoch < epoch
if resumed or current.connection ~= ARGV[5] then
  if resumed then
    current.epoch = epoch
    current.knownAs = nil
  end
  current.connection = ARGV[5]
  put_participant(current)
  emit({ type = 'participant-updated', participant = visible(current, 'participant') })
end
return 1
