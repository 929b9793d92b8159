-- Fails a job for good. ARGV[3]: token; [4]: id; [5]: reason; [6]: stack trace as JSON; [7..9]: what is kept, as for
-- completed ones; [10]: attempts that the job has.
local id = ARGV[4]
local code = leave(id, ARGV[3])
if code == 0 then
  local made = redis.call('HINCRBY', key(id), 'atm', 1)
  redis.call('HSET', key(id), 'failedReason', ARGV[5], 'stacktrace', ARGV[6], 'finishedOn', ARGV[2])
  redis.call('HDEL', key(id), 'defa')
  retain('failed', id, tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]))
  event('failed', 'jobId', id, 'failedReason', ARGV[5], 'prev', 'active')
  if made >= tonumber(ARGV[10]) then
    event('retries-exhausted', 'jobId', id, 'attemptsMade', made)
  end
  drained()
end
return code
