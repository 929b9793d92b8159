-- What all scripts share. KEYS[1]: the queue's `meta`. ARGV[1]: the prefix of its keys, with the colon. ARGV[2]: now, ms.
-- Payloads are opaque texts here; options alone are decoded, and never written back.
local meta, base, now = KEYS[1], ARGV[1], tonumber(ARGV[2])

local function key(suffix)
  return base .. suffix
end

local cap = redis.call('HGET', meta, 'opts.maxLenEvents')
if not cap then
  cap = 10000
  redis.call('HSET', meta, 'opts.maxLenEvents', cap)
end

local function event(name, ...)
  redis.call('XADD', key('events'), 'MAXLEN', '~', cap, '*', 'event', name, ...)
end

-- Whether nothing may be picked up now.
local function blocked()
  if redis.call('HEXISTS', meta, 'paused') == 1 then
    return true
  end
  local most = tonumber(redis.call('HGET', meta, 'concurrency'))
  return most ~= nil and redis.call('LLEN', key('active')) >= most
end

-- Jobs of a paused queue go where both majors find them again.
local function target()
  if redis.call('HEXISTS', meta, 'paused') == 1 then
    return key('paused')
  end
  return key('wait')
end

local function wake()
  if not blocked() then
    redis.call('ZADD', key('marker'), 0, '0')
  end
end

local function next_due()
  local head = redis.call('ZRANGE', key('delayed'), 0, 0, 'WITHSCORES')
  return head[2] and tonumber(head[2]) / 4096
end

local function arm()
  local due = next_due()
  if due then
    redis.call('ZADD', key('marker'), due, '1')
  end
end

local function enqueue(id, priority, to_front)
  priority = tonumber(priority) or 0
  if priority > 0 then
    local score = priority * 4294967296
    if not to_front then
      score = score + redis.call('INCR', key('pc')) % 4294967296
    end
    redis.call('ZADD', key('prioritized'), score, id)
  else
    redis.call(to_front and 'RPUSH' or 'LPUSH', target(), id)
  end
  wake()
end

local function delay_until(id, due)
  local from = due * 4096
  local last = redis.call('ZREVRANGEBYSCORE', key('delayed'), from + 4095, from, 'WITHSCORES', 'LIMIT', 0, 1)
  local score = from
  if last[2] then
    score = math.min(tonumber(last[2]) + 1, from + 4095)
  end
  redis.call('ZADD', key('delayed'), score, id)
  event('delayed', 'jobId', id, 'delay', string.format('%.0f', due))
  arm()
end

local function promote()
  local due = redis.call('ZRANGEBYSCORE', key('delayed'), 0, (now + 1) * 4096 - 1, 'LIMIT', 0, 1000)
  for _, id in ipairs(due) do
    redis.call('ZREM', key('delayed'), id)
    enqueue(id, redis.call('HGET', key(id), 'priority'), false)
    event('waiting', 'jobId', id, 'prev', 'delayed')
    redis.call('HSET', key(id), 'delay', 0)
  end
end

-- Takes a job of ours out of `active`; negative: it is not ours, nothing was changed.
local function leave(id, token)
  if redis.call('EXISTS', key(id)) == 0 then
    return -1
  end
  local lock = redis.call('GET', key(id .. ':lock'))
  if not lock then
    return -2
  elseif lock ~= token then
    return -6
  end
  redis.call('DEL', key(id .. ':lock'))
  redis.call('SREM', key('stalled'), id)
  if redis.call('LREM', key('active'), -1, id) == 0 then
    return -3
  end
  return 0
end

local function forget(id)
  redis.call('DEL', key(id), key(id .. ':logs'), key(id .. ':dependencies'), key(id .. ':processed'),
    key(id .. ':failed'), key(id .. ':unsuccessful'))
end

-- Keeps a finished job as its options say: `count` newest (-1: all, 0: none), at most `age` seconds (-1: any).
local function retain(set, id, count, age, limit)
  local deduplication = redis.call('HGET', key(id), 'deid')
  if deduplication then
    local owner = key('de:' .. deduplication)
    if redis.call('PTTL', owner) == -1 and redis.call('GET', owner) == id then
      redis.call('DEL', owner)
    end
  end
  if count == 0 then
    forget(id)
    return
  end
  redis.call('ZADD', key(set), now, id)
  local gone = {}
  if age >= 0 then
    gone = redis.call('ZRANGEBYSCORE', key(set), '-inf', now - age * 1000, 'LIMIT', 0, limit)
  end
  for _, old in ipairs(gone) do
    redis.call('ZREM', key(set), old)
    forget(old)
  end
  if count > 0 then
    for _, old in ipairs(redis.call('ZREVRANGE', key(set), count, count + 999)) do
      redis.call('ZREM', key(set), old)
      forget(old)
    end
  end
end

local function drained()
  if redis.call('LLEN', key('wait')) == 0 and redis.call('LLEN', key('active')) == 0
    and redis.call('ZCARD', key('prioritized')) == 0 then
    event('drained')
  end
end
