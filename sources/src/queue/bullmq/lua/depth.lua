-- Answers how many wait, are active, delayed, failed; and when the oldest waiting one was added (0: none).
local prioritized = redis.call('ZCARD', key('prioritized'))
local waiting = redis.call('LLEN', key('wait')) + redis.call('LLEN', key('paused')) + prioritized
local oldest = redis.call('LINDEX', key('wait'), -1) or redis.call('LINDEX', key('paused'), -1)
  or redis.call('ZRANGE', key('prioritized'), 0, 0)[1]
local added = oldest and tonumber(redis.call('HGET', key(oldest), 'timestamp')) or 0
return { waiting, redis.call('LLEN', key('active')), redis.call('ZCARD', key('delayed')),
  redis.call('ZCARD', key('failed')), string.format('%.0f', added) }
