-- ARGV 3 session, 4 epoch, 5 connection, 6 node ('' for any). A resumed session raises the epoch of its participant
-- here. How a half that the participant moved away from is connected is nobody's business.
local current, epoch, from = get(PARTICIPANTS, ARGV[3]), tonumber(ARGV[4]), ARGV[6]
if not current then return 0 end
if not holds(current, epoch, from) then
  half_holds(current, epoch, from)
  return 0
end
local resumed = own_epoch(current) < epoch
if resumed then
  -- Back on a former node the others know it by a later epoch than that node does.
  if current.epoch < epoch then
    current.epoch, current.knownAs = epoch, nil
  else
    current.knownAs = epoch
  end
end
if resumed or current.connection ~= ARGV[5] then
  current.connection = ARGV[5]
  put_participant(current)
  emit({ type = 'participant-updated', participant = visible(current, 'participant') })
end
return 1
