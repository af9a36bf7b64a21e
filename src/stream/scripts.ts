/**
 * Lua scripts: each is one step that must not be seen half done. Keys of one call share a hash tag.
 * A batch's ledger (hash) names its owner: a worker and the number of the hold, `worker#7`. Every step of a
 * worker checks it first, so that one which was taken for dead can change nothing, not even when the same worker
 * took the batch again meanwhile. Pure text; `consumer.ts` and `producer.ts` call them. Those of
 * slots are in `slot-scripts.ts`.
 *
 * Scripts that workers need to get rid of work may run when Redis is at `maxmemory` (allow-oom).
 */

/** First line of a script that may run when Redis is at `maxmemory`. */
export const allowOom = '#!lua flags=allow-oom\n';

/** Redis's own clock in milliseconds: clocks of workers may be wrong. */
export const now = `
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
`;

/**
 * Recipients of the first entry after `after`, nil when there is none. An entry of another format counts as one
 * recipient; whoever reads it puts it aside.
 */
const recipientsAfter = `
local function recipientsAfter(stream, after)
  local entry = redis.call('XRANGE', stream, '(' .. after, '+', 'COUNT', 1)[1]
  return entry and (tonumber(entry[2][4] or '') or 1)
end
`;

/**
 * Puts a campaign that has something to take into its lane's schedule if it is not there (weighted fair queueing).
 * Its next batch starts, in virtual time, when the one before ended, and not before the lane's present; it ends
 * recipients ÷ weight later. The batch that ends first is next: were it the one that starts first, of many campaigns
 * that come at once a small one would wait for a batch of every large one.
 * Returns 1 when it was added.
 */
const schedule = `${recipientsAfter}
local function schedule(prefix, meta, campaign)
  local m = redis.call('HMGET', meta, 'lane', 'start', 'weight')
  local lane, stream = prefix .. ':schedule:' .. m[1], prefix .. ':campaign:' .. campaign
  if redis.call('ZSCORE', lane, campaign) or redis.call('EXISTS', stream) == 0 then return 0 end
  local group = redis.call('XINFO', 'GROUPS', stream)[1]
  local recipients = recipientsAfter(stream, group and group[8] or '0')
  if not recipients then return 0 end
  local virtual = tonumber(redis.call('HGET', prefix .. ':clock', m[1]) or '0')
  local start = math.max(virtual, tonumber(m[2] or '0'))
  redis.call('HSET', meta, 'start', start)
  return redis.call('ZADD', lane, start + recipients / tonumber(m[3]), campaign)
end
`;

/** KEYS prefix. ARGV campaign, lane, weight, content. Makes the campaign known here; repeating changes nothing. */
export const openScript = `
local prefix, campaign = KEYS[1], ARGV[1]
local meta = prefix .. ':meta:' .. campaign
redis.call('HSETNX', meta, 'state', 'active')
redis.call('HSETNX', meta, 'last', '0')
redis.call('HSET', meta, 'lane', ARGV[2], 'weight', ARGV[3])
redis.call('PERSIST', meta)
redis.call('SET', prefix .. ':content:' .. campaign, ARGV[4])
local stream = prefix .. ':campaign:' .. campaign
if redis.call('EXISTS', stream) == 0 then
  redis.call('XGROUP', 'CREATE', stream, 'workers', '0', 'MKSTREAM')
end
return 1
`;

/**
 * KEYS prefix. ARGV campaign, version, then number, attempt, header, packed and recipients of each batch, in order
 * of their numbers. One call for several: of two calls on their way the later could come first (Redis may know the
 * script only then), and the batch that was overtaken would count as added before.
 * Returns how many were not there yet · -1 the campaign is not open here (open it first).
 */
export const enqueueScript = `${schedule}
local prefix, campaign, version = KEYS[1], ARGV[1], ARGV[2]
local meta = prefix .. ':meta:' .. campaign
local m = redis.call('HMGET', meta, 'state', 'last')
if not m[2] then return -1 end
local last, added, bytes = tonumber(m[2]), 0, 0
for a = 3, #ARGV, 5 do
  local number, attempt, isNew = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), false
  if attempt == 1 then
    isNew = number > last
    if isNew then last = number end
  else
    isNew = attempt > tonumber(redis.call('HGET', meta, 'again:' .. number) or '1')
    if isNew then redis.call('HSET', meta, 'again:' .. number, attempt) end
  end
  if isNew then
    local stream, header, packed, recipients = prefix .. ':campaign:' .. campaign, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
    redis.call('XADD', stream, '*', 'v', version, 'n', recipients, 'h', header, 'p', packed)
    added, bytes = added + 1, bytes + #packed
  end
end
if added == 0 then return 0 end
redis.call('HSET', meta, 'last', last)
redis.call('INCRBY', prefix .. ':waiting', bytes)
if m[1] ~= 'paused' and schedule(prefix, meta, campaign) == 1 then
  redis.call('PUBLISH', prefix .. ':wake', 'take')
end
return added
`;

/** How long a word about a campaign that is not open is kept; a campaign is open, or over, well before. */
const unopenedMs = 8 * 24 * 3_600_000;

/**
 * KEYS prefix. ARGV campaign, verb. Pause takes the campaign out of the schedule; resume puts it back; cancel
 * puts it back as well, since a worker settles the rest as cancelled. May come before the campaign is open, and after
 * it was closed: nothing would ever remove that, so it goes by itself.
 */
export const controlScript = `${schedule}
local prefix, campaign, verb = KEYS[1], ARGV[1], ARGV[2]
local meta = prefix .. ':meta:' .. campaign
local m = redis.call('HMGET', meta, 'state', 'lane')
if m[1] ~= 'cancelled' then
  if verb == 'pause' then
    redis.call('HSET', meta, 'state', 'paused')
    if m[2] then redis.call('ZREM', prefix .. ':schedule:' .. m[2], campaign) end
  else
    redis.call('HSET', meta, 'state', verb == 'cancel' and 'cancelled' or 'active')
    if m[2] then schedule(prefix, meta, campaign) end
  end
  if not m[2] then redis.call('PEXPIRE', meta, ${unopenedMs}) end
end
redis.call('PUBLISH', prefix .. ':wake', verb .. ' ' .. campaign)
return 1
`;

/** KEYS prefix. ARGV campaign, number. Batches up to `number` count as added, where fewer did. */
export const raiseLastScript = `
local meta = KEYS[1] .. ':meta:' .. ARGV[1]
local last = tonumber(redis.call('HGET', meta, 'last') or '0')
if tonumber(ARGV[2]) > last then
  redis.call('HSET', meta, 'last', ARGV[2])
  if redis.call('HEXISTS', meta, 'lane') == 0 then redis.call('PEXPIRE', meta, ${unopenedMs}) end
end
return 1
`;

/** KEYS prefix. ARGV campaign. Forgets a finished campaign; 0 while batches are left. */
export const closeScript = `
local prefix, campaign = KEYS[1], ARGV[1]
local stream = prefix .. ':campaign:' .. campaign
if redis.call('XLEN', stream) > 0 then return 0 end
local meta = prefix .. ':meta:' .. campaign
local lane = redis.call('HGET', meta, 'lane')
if lane then redis.call('ZREM', prefix .. ':schedule:' .. lane, campaign) end
redis.call('DEL', stream, meta, prefix .. ':content:' .. campaign)
return 1
`;

/**
 * KEYS prefix. ARGV worker, owner, leaseMs, count, lane… Takes the next batches that are due: of the first lane that
 * has any, those that end first in virtual time; see `schedule`. Returns [campaign, entry, state, fields] for each.
 */
export const takeScript = `${allowOom}${now}${recipientsAfter}
local prefix, worker, owner, lease, count = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local taken = {}
local clock = prefix .. ':clock'
for a = 5, #ARGV do
  local lane = prefix .. ':schedule:' .. ARGV[a]
  local virtual = tonumber(redis.call('HGET', clock, ARGV[a]) or '0')
  while #taken < count do
    local top = redis.call('ZRANGE', lane, 0, 0, 'WITHSCORES')
    if not top[1] then break end
    local campaign = top[1]
    local meta = prefix .. ':meta:' .. campaign
    local stream = prefix .. ':campaign:' .. campaign
    local read = redis.pcall('XREADGROUP', 'GROUP', 'workers', worker, 'COUNT', 1, 'STREAMS', stream, '>')
    if not read or read.err then
      redis.call('ZREM', lane, campaign)
    else
      local entry, fields = read[1][2][1][1], read[1][2][1][2]
      local m = redis.call('HMGET', meta, 'weight', 'state', 'start')
      local weight, start = tonumber(m[1] or '1'), tonumber(m[3] or top[2])
      local size = tonumber(fields[4] or '') or 1
      local finish = start + size / weight
      virtual = math.max(virtual, start)
      redis.call('HSET', clock, ARGV[a], virtual)
      if m[1] then redis.call('HSET', meta, 'start', finish) end
      -- Where nothing follows, or nothing yet, it is as good as another of this size.
      redis.call('ZADD', lane, finish + (recipientsAfter(stream, entry) or size) / weight, campaign)
      redis.call('ZADD', prefix .. ':held', now() + lease, campaign .. '/' .. entry)
      local ledger = prefix .. ':ledger:' .. campaign .. '/' .. entry
      redis.call('HSET', ledger, 'o', owner)
      -- A Redis that fell back may have lost who had it, and that one's answers since then left a ledger that expires.
      redis.call('PERSIST', ledger)
      taken[#taken + 1] = { campaign, entry, m[2] or 'active', fields }
    end
  end
  if #taken > 0 then break end
end
return taken
`;

/**
 * KEYS prefix. ARGV worker, owner, leaseMs, count. Takes over batches whose holder's lease has ended. One that this
 * worker itself failed to renew stays with the hold it has, and is only kept alive: it may be in hand yet.
 * Returns [campaign, entry, state, fields, owner, reserved, frames, answered, again] for each.
 */
export const claimScript = `${allowOom}${now}
local prefix, worker, lease, count = KEYS[1], ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local claimed = {}
local time = now()
for _, member in ipairs(redis.call('ZRANGEBYSCORE', prefix .. ':held', '-inf', time, 'LIMIT', 0, count)) do
  local slash = string.find(member, '/')
  local campaign, entry = string.sub(member, 1, slash - 1), string.sub(member, slash + 1)
  local got = redis.pcall('XCLAIM', prefix .. ':campaign:' .. campaign, 'workers', worker, 0, entry)
  if not got or got.err or not got[1] then
    redis.call('ZREM', prefix .. ':held', member)
  else
    local ledger = prefix .. ':ledger:' .. member
    local l = redis.call('HMGET', ledger, 'o', 'r', 'n', 'a', 'w')
    local owner = l[1] or ''
    if string.sub(owner, 1, #worker + 1) ~= worker .. '#' then
      owner = ARGV[2]
      redis.call('HSET', ledger, 'o', owner)
      redis.call('HDEL', ledger, 'w')
    end
    redis.call('ZADD', prefix .. ':held', time + lease, member)
    local state = redis.call('HGET', prefix .. ':meta:' .. campaign, 'state') or 'active'
    claimed[#claimed + 1] =
      { campaign, entry, state, got[1][2], owner, l[2] or '0', l[3] or '0', l[4] or '', l[5] or '' }
  end
end
return claimed
`;

/**
 * KEYS prefix. ARGV leaseMs, then member and owner of each batch. Keeps batches alive. Returns for each its
 * campaign's state, or `lost` when it belongs to somebody else by now.
 */
export const renewScript = `${allowOom}${now}
local prefix, lease = KEYS[1], tonumber(ARGV[1])
local states = {}
local until_ = now() + lease
for a = 2, #ARGV, 2 do
  if redis.call('HGET', prefix .. ':ledger:' .. ARGV[a], 'o') == ARGV[a + 1] then
    redis.call('ZADD', prefix .. ':held', 'XX', until_, ARGV[a])
    local campaign = string.sub(ARGV[a], 1, string.find(ARGV[a], '/') - 1)
    states[#states + 1] = redis.call('HGET', prefix .. ':meta:' .. campaign, 'state') or 'active'
  else
    states[#states + 1] = 'lost'
  end
end
return states
`;

/**
 * KEYS prefix. ARGV leaseMs, member, owner, reserved, frames. Frames up to `reserved` may be written from now on;
 * keeps the batch alive. Returns its campaign's state, or `lost`.
 */
export const reserveScript = `${allowOom}${now}
local prefix, member = KEYS[1], ARGV[2]
local ledger = prefix .. ':ledger:' .. member
if redis.call('HGET', ledger, 'o') ~= ARGV[3] then return 'lost' end
redis.call('HSET', ledger, 'r', ARGV[4], 'n', ARGV[5])
redis.call('ZADD', prefix .. ':held', 'XX', now() + tonumber(ARGV[1]), member)
local campaign = string.sub(member, 1, string.find(member, '/') - 1)
return redis.call('HGET', prefix .. ':meta:' .. campaign, 'state') or 'active'
`;

/**
 * KEYS prefix. ARGV owner, member, flush, done, version, header, packed, answered, packedBytes, areAnswers. Records
 * outcomes and, when the batch is done, acknowledges and deletes it. Answers are facts, so they are recorded even when
 * the batch belongs to somebody else by now; other outcomes are not. A repeated flush of a hold changes nothing,
 * whoever has the batch by then: a connection that was lost with the answer sends it again.
 * 1 recorded · 0 the batch is somebody else's.
 */
export const settleScript = `${allowOom}
local prefix, owner, member, flush, done = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local ledger, flushed = prefix .. ':ledger:' .. member, 'f:' .. owner
local l = redis.call('HMGET', ledger, 'o', flushed)
local mine = l[1] == owner
if tonumber(l[2] or '0') >= flush then return mine and 1 or 0 end
local isRecorded = #ARGV[7] > 0 and (mine or ARGV[10] == '1')
if isRecorded then
  redis.call('XADD', prefix .. ':outcomes', '*', 'v', ARGV[5], 'h', ARGV[6], 'o', ARGV[7])
end
if not mine then
  local isGone = redis.call('EXISTS', ledger) == 0
  if isRecorded then redis.call('HSET', ledger, flushed, flush) end
  if isRecorded and isGone then redis.call('PEXPIRE', ledger, 120000) end
  return 0
end
if done then
  local slash = string.find(member, '/')
  local stream, entry = prefix .. ':campaign:' .. string.sub(member, 1, slash - 1), string.sub(member, slash + 1)
  redis.call('XACK', stream, 'workers', entry)
  if redis.call('XDEL', stream, entry) == 1 then redis.call('DECRBY', prefix .. ':waiting', ARGV[9]) end
  redis.call('ZREM', prefix .. ':held', member)
  redis.call('HSET', ledger, flushed, flush)
  redis.call('HDEL', ledger, 'a', 'r', 'n')
  redis.call('PEXPIRE', ledger, 120000)
else
  redis.call('HSET', ledger, flushed, flush, 'a', ARGV[8])
end
return 1
`;

/**
 * KEYS prefix. ARGV owner, member, written, frames, answered, again. Lets anybody take the batch over at once;
 * `again`: frames that were written and refused for a while, by commas.
 */
export const giveBackScript = `${allowOom}
local prefix, owner, member = KEYS[1], ARGV[1], ARGV[2]
local ledger = prefix .. ':ledger:' .. member
if redis.call('HGET', ledger, 'o') ~= owner then return 0 end
redis.call('HSET', ledger, 'r', ARGV[3], 'n', ARGV[4], 'a', ARGV[5], 'w', ARGV[6], 'o', '')
redis.call('ZADD', prefix .. ':held', 'XX', 0, member)
redis.call('PUBLISH', prefix .. ':wake', 'claim')
return 1
`;

/**
 * KEYS prefix. ARGV owner, member, reason, packedBytes, field… Moves an entry that nobody can read out of the way of
 * the rest, to where people can see it. 0 the batch is somebody else's, who may be able to read it.
 */
export const setAsideScript = `${allowOom}
local prefix, owner, member = KEYS[1], ARGV[1], ARGV[2]
if redis.call('HGET', prefix .. ':ledger:' .. member, 'o') ~= owner then return 0 end
local slash = string.find(member, '/')
local campaign, entry = string.sub(member, 1, slash - 1), string.sub(member, slash + 1)
local stream = prefix .. ':campaign:' .. campaign
local fields = {}
for a = 5, #ARGV do fields[#fields + 1] = ARGV[a] end
redis.call('XADD', prefix .. ':aside', '*', 'campaign', campaign, 'reason', ARGV[3], unpack(fields))
redis.call('XACK', stream, 'workers', entry)
if redis.call('XDEL', stream, entry) == 1 then redis.call('DECRBY', prefix .. ':waiting', ARGV[4]) end
redis.call('ZREM', prefix .. ':held', member)
redis.call('DEL', prefix .. ':ledger:' .. member)
return 1
`;

/** KEYS prefix of the planner's keys. ARGV entry. A command that is done goes. */
export const forgetScript = `${allowOom}
local stream = KEYS[1] .. ':campaigns'
redis.call('XACK', stream, 'planners', ARGV[1])
return redis.call('XDEL', stream, ARGV[1])
`;
