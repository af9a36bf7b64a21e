/** Lua scripts of a carrier's slots, each one step; `slots.ts` calls them. Pure text. */
import { allowOom, now } from './scripts.ts';

/**
 * KEYS prefix. ARGV worker, leaseMs, slots, leaving, seen, turn, then number and token of each slot that the worker
 * holds. Registers the worker, renews its slots and takes free ones up to its fair share. Slots that it holds above its
 * share are returned as excess: it drains and releases them itself. The share is slots ÷ workers; what is over goes to
 * one worker each, in the order of their places from `turn` on round the circle (see `turnOf` in slots.ts).
 *
 * `seen` is the highest token that the worker knows to have been given. A lower one here says that Redis lost its
 * data, or its last moments: binds are open that it does not know of. Then each worker keeps what it holds, and
 * nobody takes a slot until every lease of before has ended.
 * Returns [[slot, token]…, [excess slot]…, highest token given].
 */
export const slotsScript = `${allowOom}${now}
local prefix, worker, lease, total, leaving = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local time = now()
local workers, slots, tokens = prefix .. ':workers', prefix .. ':slots', prefix .. ':tokens'
if tonumber(redis.call('GET', tokens) or '0') < tonumber(ARGV[5]) then
  redis.call('SET', tokens, ARGV[5])
  redis.call('SET', prefix .. ':regained', time + lease, 'PX', 2 * lease)
end
local isRegained = time < tonumber(redis.call('GET', prefix .. ':regained') or '0')
local claims = {}
for a = 7, #ARGV, 2 do claims[ARGV[a]] = ARGV[a + 1] end
if leaving then redis.call('ZREM', workers, worker) else redis.call('ZADD', workers, time + lease, worker) end
redis.call('ZREMRANGEBYSCORE', workers, '-inf', time)
local turn, share = ARGV[6], 0
local function place(name)
  local at = string.sub(name, -8)
  return (at < turn and '1' or '0') .. at .. name
end
if not leaving then
  local names, own, before = redis.call('ZRANGE', workers, 0, -1), place(worker), 0
  for _, name in ipairs(names) do if place(name) < own then before = before + 1 end end
  share = math.floor(total / #names)
  if before < total % #names then share = share + 1 end
end
local mine, free = {}, {}
local values = {}
local all = redis.call('HGETALL', slots)
for at = 1, #all, 2 do values[all[at]] = all[at + 1] end
for slot = 0, total - 1 do
  local value = values[tostring(slot)]
  local owner, token, expiry
  if value then owner, token, expiry = string.match(value, '^(.-)|(%d+)|(%d+)$') end
  local claim = claims[tostring(slot)]
  if owner == worker and token == claim and tonumber(expiry) > time then
    mine[#mine + 1] = { slot, token }
  elseif isRegained and claim and (not token or tonumber(token) < tonumber(claim)) then
    mine[#mine + 1] = { slot, claim }
  elseif owner == worker or not owner or tonumber(expiry) <= time then
    free[#free + 1] = slot
  end
end
local kept, excess = {}, {}
for index, held in ipairs(mine) do
  redis.call('HSET', slots, held[1], worker .. '|' .. held[2] .. '|' .. (time + lease))
  kept[#kept + 1] = held
  if index > share then excess[#excess + 1] = held[1] end
end
for _, slot in ipairs(free) do
  if isRegained or #kept >= share then break end
  local token = redis.call('INCR', tokens)
  redis.call('HSET', slots, slot, worker .. '|' .. token .. '|' .. (time + lease))
  kept[#kept + 1] = { slot, tostring(token) }
end
return { kept, excess, redis.call('GET', tokens) or '0' }
`;

/** KEYS prefix. ARGV worker, slot, token. Gives a slot back; 0 when it was somebody else's already. */
export const releaseSlotScript = `${allowOom}
local slots = KEYS[1] .. ':slots'
local value = redis.call('HGET', slots, ARGV[2])
if not value or string.sub(value, 1, #ARGV[1] + #ARGV[3] + 2) ~= ARGV[1] .. '|' .. ARGV[3] .. '|' then return 0 end
redis.call('HDEL', slots, ARGV[2])
redis.call('PUBLISH', KEYS[1] .. ':wake', 'slots')
return 1
`;
