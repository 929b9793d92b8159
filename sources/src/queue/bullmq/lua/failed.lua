-- Answers the newest failed jobs. ARGV[3]: how many at most.
local out = {}
for _, id in ipairs(redis.call('ZREVRANGE', key('failed'), 0, tonumber(ARGV[3]) - 1)) do
  local job = redis.call('HMGET', key(id), 'name', 'data', 'timestamp', 'atm', 'failedReason', 'finishedOn')
  if job[1] then
    table.insert(job, 1, id)
    out[#out + 1] = job
  end
end
return out
