-- Picks up jobs. ARGV[3]: token; [4]: lock, ms; [5]: how many at most.
-- Answers jobs, ms until the rate limit ends (0: none), and when the next delayed job is due (0: none).
promote()
local most = tonumber(redis.call('HGET', meta, 'max'))
local window = tonumber(redis.call('HGET', meta, 'duration'))
local jobs, limited = {}, 0

while #jobs < tonumber(ARGV[5]) do
  if most then
    local used, ttl = tonumber(redis.call('GET', key('limiter')) or 0), redis.call('PTTL', key('limiter'))
    if used >= most and ttl > 0 then
      limited = ttl
      break
    elseif ttl == 0 then
      redis.call('DEL', key('limiter'))
    end
  end
  if blocked() then
    break
  end
  local id = redis.call('RPOPLPUSH', key('wait'), key('active'))
  if not id then
    id = redis.call('ZPOPMIN', key('prioritized'))[1]
    if not id then
      redis.call('DEL', key('pc'))
      break
    end
    redis.call('LPUSH', key('active'), id)
  end
  if redis.call('EXISTS', key(id)) == 0 or string.sub(id, 1, 2) == '0:' then
    -- A mark of an older version, or an id whose job is gone.
    redis.call('LREM', key('active'), 1, id)
  else
    if most and redis.call('INCR', key('limiter')) == 1 then
      redis.call('PEXPIRE', key('limiter'), window or 1000)
    end
    redis.call('SET', key(id .. ':lock'), ARGV[3], 'PX', ARGV[4])
    event('active', 'jobId', id, 'prev', 'waiting')
    redis.call('HSET', key(id), 'processedOn', ARGV[2])
    redis.call('HINCRBY', key(id), 'ats', 1)
    local job = redis.call('HMGET', key(id), 'name', 'data', 'opts', 'timestamp', 'priority', 'atm', 'attemptsMade',
      'stacktrace', 'defa')
    table.insert(job, 1, id)
    jobs[#jobs + 1] = job
  end
end
if #jobs > 0 then
  wake()
end
return { jobs, limited, string.format('%.0f', math.floor(next_due() or 0)) }
