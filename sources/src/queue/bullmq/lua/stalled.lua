-- Gives jobs back whose worker is gone. ARGV[3]: interval, ms; [4]: how many stalls a job may have; [5]: the name of jobs
-- of ours. Answers the ids that wait again, and the ids that have failed. Workers of all versions count by their own field,
-- so both count; over the limit a job fails here, since older workers ignore a failure that is left for the next one. Ours
-- nobody else has: they wait once more with the mark, and whoever picks them up makes letters of them.
if redis.call('EXISTS', key('stalled-check')) == 1 then
  return { {}, {} }
end
redis.call('SET', key('stalled-check'), ARGV[2], 'PX', ARGV[3])

local function keep(id)
  local ok, opts = pcall(cjson.decode, redis.call('HGET', key(id), 'opts') or '{}')
  local rule = ok and type(opts) == 'table' and opts.removeOnFail
  if rule == true then
    return 0, -1, 0
  elseif type(rule) == 'number' then
    return rule, -1, 0
  elseif type(rule) == 'table' then
    return tonumber(rule.count) or -1, tonumber(rule.age) or -1, tonumber(rule.limit) or 1000
  end
  return -1, -1, 0
end

local again, failed = {}, {}
local suspects = redis.call('SMEMBERS', key('stalled'))
redis.call('DEL', key('stalled'))
for _, id in ipairs(suspects) do
  if redis.call('EXISTS', key(id .. ':lock')) == 0 and redis.call('LREM', key('active'), 1, id) > 0
    and redis.call('EXISTS', key(id)) == 1 then
    local stalls = redis.call('HINCRBY', key(id), 'stc', 1)
      + (tonumber(redis.call('HGET', key(id), 'stalledCounter')) or 0)
    if stalls > tonumber(ARGV[4]) then
      if redis.call('HEXISTS', key(id), 'parentKey') == 1 or redis.call('HGET', key(id), 'name') == ARGV[5] then
        -- What its parent is to learn, and what becomes of ours, is the next worker's duty.
        redis.call('HSET', key(id), 'defa', 'job stalled more than allowable limit')
        enqueue(id, 0, true)
        event('waiting', 'jobId', id, 'prev', 'active')
      else
        local reason = 'job stalled more than allowable limit'
        redis.call('HSET', key(id), 'failedReason', reason, 'finishedOn', ARGV[2])
        local count, age, limit = keep(id)
        retain('failed', id, count, age, limit)
        event('failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
        failed[#failed + 1] = id
      end
    else
      redis.call('RPUSH', target(), id)
      wake()
      event('waiting', 'jobId', id, 'prev', 'active')
      event('stalled', 'jobId', id)
      again[#again + 1] = id
    end
  end
end
local active = redis.call('LRANGE', key('active'), 0, -1)
for from = 1, #active, 1000 do
  redis.call('SADD', key('stalled'), unpack(active, from, math.min(from + 999, #active)))
end
return { again, failed }
