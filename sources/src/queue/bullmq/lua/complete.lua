-- Completes jobs. ARGV[3]: token; then for each: id, how many are kept, for how long, how many are removed for their age.
-- Answers a code for each.
local codes = {}
for at = 4, #ARGV, 4 do
  local id, code = ARGV[at], nil
  if redis.call('SCARD', key(id .. ':dependencies')) > 0 then
    code = -4
  else
    code = leave(id, ARGV[3])
  end
  if code == 0 then
    redis.call('HINCRBY', key(id), 'atm', 1)
    redis.call('HSET', key(id), 'returnvalue', 'null', 'finishedOn', ARGV[2])
    retain('completed', id, tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
    event('completed', 'jobId', id, 'returnvalue', 'null', 'prev', 'active')
  end
  codes[#codes + 1] = code
end
drained()
return codes
