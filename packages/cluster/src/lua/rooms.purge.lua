-- ARGV 3 node, 4 its dead term, 5 reason. A participant that moved to another node, or that its node has
-- announced anew (a later term), is not the dead node's any more.
local node, term, reason = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local removed = 0
drop_unreadable()
each(PARTICIPANTS, function(session, stored)
  if stored and stored.nodeId == node and (stored.term or 0) <= term then
    remove(stored, reason)
    removed = removed + 1
  end
end)
close_published(function(published) return published.nodeId == node and (published.term or 0) <= term end)
tidy()
return removed
