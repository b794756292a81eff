-- ARGV 3 node, 4 its dead term, 5 reason. A participant that moved to another node, or that its node has
-- announced anew (a later term), is not the dead node's any more. One that is on its way to another node goes on there;
-- one that came from another node and has not left it goes back.
local node, term, reason = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local removed = 0
-- So often a connection may have been resumed on the dead node, one epoch each, without a word of it here; and no page
-- has attached later than now.
local RESUMES = 8
drop_unreadable()
local function is_dead(held) return held.nodeId == node and (held.term or 0) <= term end
each(PARTICIPANTS, function(_, stored)
  if not stored then return end
  local after = {}
  local changed = drop_halves(stored, is_dead, after)
  if is_dead(stored) and stored.halves then
    hand_back(stored, math.min(stored.epoch + RESUMES, now - 1))
  elseif is_dead(stored) then
    remove(stored, reason)
    removed = removed + 1
  elseif changed then
    put_participant(stored)
  end
  for _, left in ipairs(after) do exit(left) end
end)
close_published(is_dead)
tidy()
return removed
