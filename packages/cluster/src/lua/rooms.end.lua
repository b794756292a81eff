-- ARGV 3 how long the mark stands (ms)
redis.call('SET', ENDED, '1', 'PX', ARGV[3])
redis.call('DEL', PLACES)
if redis.call('EXISTS', PARTICIPANTS) == 1 then
  -- Every node of the room hears all of it: they leave NODES only with the room.
  close_published(function() return true end)
  each(PARTICIPANTS, function(session, stored)
    if stored then
      emit({ type = 'participant-left', sessionId = session, epoch = stored.epoch, reason = 'room-ended' })
    end
  end)
  emit({ type = 'room-ended' })
  redis.call('DEL', PARTICIPANTS)
  tidy()
end
return 1
