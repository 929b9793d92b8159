-- Gives a job back after a failed attempt. ARGV[3]: token; [4]: id; [5]: reason; [6]: stack trace as JSON; [7]: delay, ms.
local id, delay = ARGV[4], tonumber(ARGV[7])
local code = leave(id, ARGV[3])
if code == 0 then
  redis.call('HINCRBY', key(id), 'atm', 1)
  redis.call('HSET', key(id), 'failedReason', ARGV[5], 'stacktrace', ARGV[6])
  if delay > 0 then
    redis.call('HSET', key(id), 'delay', ARGV[7])
    delay_until(id, now + delay)
  else
    promote()
    enqueue(id, redis.call('HGET', key(id), 'priority'), false)
    event('waiting', 'jobId', id, 'prev', 'active')
  end
end
return code
