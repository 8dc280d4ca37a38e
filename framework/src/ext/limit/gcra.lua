-- Takes a request for each key, or for none of them if one has no room (GCRA: a key holds the microsecond at which all of
-- its requests may come at once again). ARGV: for each key, the microseconds that a request costs, and how many may come at
-- once. Answers for each key: whether there was room, how many more may come, microseconds until one may, until all may.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer, room, later = {}, true, {}
for i, key in ipairs(KEYS) do
  local cost, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local full = math.max(tonumber(redis.call('GET', key) or now), now)
  local wait = full + cost - cost * burst - now
  if wait > 0 then
    room = false
    answer[#answer + 1] = {0, 0, wait, full - now}
  else
    later[i] = full + cost
    answer[#answer + 1] = {1, math.floor(-wait / cost), 0, full + cost - now}
  end
end
if room then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.0f', later[i]), 'PX', math.ceil((later[i] - now) / 1000))
  end
end
return answer
