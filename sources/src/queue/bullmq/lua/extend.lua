-- Keeps locks. ARGV[3]: token; [4]: lock, ms; then the ids. Answers the ids that are lost.
-- A lock that ran out while Redis was away is taken again if its job is still in `active`: whoever picks a job up sets its
-- lock in the same step, so nobody else has it.
local lost = {}
for at = 5, #ARGV do
  local id = ARGV[at]
  local lock = redis.call('GET', key(id .. ':lock'))
  local is_ours = lock == ARGV[3]
  if not lock and redis.call('EXISTS', key(id)) == 1 then
    is_ours = redis.call('LPOS', key('active'), id) and true or false
  end
  if is_ours then
    redis.call('SET', key(id .. ':lock'), ARGV[3], 'PX', ARGV[4])
    redis.call('SREM', key('stalled'), id)
  else
    lost[#lost + 1] = id
  end
end
return lost
