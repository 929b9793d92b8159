-- Adds jobs. ARGV[3]: name; [4]: options; [5]: delay, ms; then the payloads.
for at = 6, #ARGV do
  local id = tostring(redis.call('INCR', key('id')))
  local delay = tonumber(ARGV[5])
  redis.call('HSET', key(id), 'name', ARGV[3], 'data', ARGV[at], 'opts', ARGV[4], 'timestamp', ARGV[2],
    'delay', ARGV[5], 'priority', 0)
  event('added', 'jobId', id, 'name', ARGV[3])
  if delay > 0 then
    delay_until(id, now + delay)
  else
    enqueue(id, 0, false)
    event('waiting', 'jobId', id)
  end
end
return #ARGV - 5
