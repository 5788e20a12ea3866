//! What the store does, in one step: hears a replica's totals, adds up everybody's, grants from what is left.
//!
//! A counter is one hash (for a fixed window, one a window: its number ends the key). Its fields:
//!
//! | field | value |
//! |---|---|
//! | `t\|REPLICA\|BUCKET` | what is this replica's in this bucket, used or not |
//! | `q\|REPLICA` | number of the last word heard, so that one that was under way when a connection broke is not heard after a later one |
//! | `m\|REPLICA` | there when it may hold something that it does not use |
//! | `x\|REPLICA` | for what runs now: until when the replica is believed to live, by the store's own clock |

use std::sync::LazyLock;

use redis::Script;

/// Numbers of buckets and amounts are whole and below 2^53, which Lua's are exact for.
const SOURCE: &str = r"
local key, me, word = KEYS[1], ARGV[1], ARGV[2]
local most, need, least, ahead = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local head, oldest = ARGV[7], tonumber(ARGV[8])
local keeps, forget = ARGV[9] == '1', ARGV[10] == '1'
local memory, life = ARGV[11], tonumber(ARGV[12])

local heard = redis.call('HGET', key, 'q|' .. me)
if heard and tonumber(heard) >= tonumber(word) then return {-1, 0, 0} end
redis.call('HSET', key, 'q|' .. me, word)
for i = 13, #ARGV, 2 do redis.call('HSET', key, 't|' .. me .. '|' .. ARGV[i], ARGV[i + 1]) end
local now = 0
if life > 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', key, 'x|' .. me, now + life)
end

local fields = redis.call('HGETALL', key)
local lives = {}
for i = 1, #fields, 2 do
  local who = string.match(fields[i], '^x|(.+)$')
  if who then lives[who] = tonumber(fields[i + 1]) end
end
local sum, known, over = 0, {[me] = true}, {}
for i = 1, #fields, 2 do
  local who, bucket = string.match(fields[i], '^t|([^|]+)|(%d+)$')
  if who then
    if tonumber(bucket) < oldest or (life > 0 and (lives[who] or 0) < now) then
      over[#over + 1] = fields[i]
    else
      sum = sum + tonumber(fields[i + 1])
      known[who] = true
    end
  end
end
local holders = 0
for i = 1, #fields, 2 do
  local kind, who = string.match(fields[i], '^([qmx])|(.+)$')
  if kind and not known[who] then
    over[#over + 1] = fields[i]
  elseif kind == 'm' and who ~= me then
    if forget then over[#over + 1] = fields[i] else holders = holders + 1 end
  end
end
for i = 1, #over do redis.call('HDEL', key, over[i]) end

local left = math.max(most - sum, 0)
local grant = 0
if need > 0 and left >= least then grant = math.min(left, need) end
if grant == need then grant = grant + math.min(ahead, math.floor((left - grant) / 8)) end
if grant > 0 then redis.call('HINCRBY', key, 't|' .. me .. '|' .. head, grant) end
if keeps or grant > 0 then redis.call('HSET', key, 'm|' .. me, '1') else redis.call('HDEL', key, 'm|' .. me) end
redis.call('PEXPIRE', key, memory)
return {grant, left - grant, holders}
";

/// The script, as the client knows it.
pub(super) static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(SOURCE));
