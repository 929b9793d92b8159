-- Gives jobs back as if they had not been picked up. ARGV[3]: token; then the ids. Answers how many.
local given = 0
for at = 4, #ARGV do
  local id = ARGV[at]
  if leave(id, ARGV[3]) == 0 then
    enqueue(id, redis.call('HGET', key(id), 'priority'), true)
    event('waiting', 'jobId', id, 'prev', 'active')
    given = given + 1
  end
end
return given
