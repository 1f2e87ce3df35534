//! The commands of Redis 7.0 to 8, by class.
//!
//! Taken from the `COMMAND` replies and the `src/commands/*.json` of Redis, except where those flags mislead a proxy: cursors, LRU
//! clocks and encodings are a server's own, so that their readers stay on the primary although they carry `readonly`; `EVAL`, `PUBLISH`
//! and many more carry neither flag. A name that is missing here is taken for a write.

use super::Class;

/// Names, separated by blanks, of each class. Writes of the server are listed so that metrics know them by name.
pub const BUILT_IN: &[(Class, &str)] = &[
    (
        Class::Read,
        "bitcount bitfield_ro bitpos digest dump exists expiretime geodist geohash geopos georadius_ro georadiusbymember_ro geosearch \
         get getbit getrange hexists hexpiretime hget hgetall hkeys hlen hmget hpexpiretime hpttl hrandfield hstrlen httl hvals lcs \
         lindex llen lolwut lpos lrange mget pexpiretime pfcount pttl scard sdiff sinter sintercard sismember smembers smismember \
         sort_ro srandmember strlen substr sunion ttl type vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vsim \
         xlen xpending xrange xrevrange zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex \
         zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscore zunion",
    ),
    (Class::ReadScript, "eval_ro evalsha_ro fcall_ro"),
    (Class::PrimaryRead, "dbsize hscan keys object randomkey scan sscan touch xinfo zscan"),
    (
        Class::Write,
        "append bitfield bitop copy decr decrby del delex expire expireat flushall flushdb geoadd georadius \
         georadiusbymember geosearchstore getdel getex getset hdel hexpire hexpireat hgetdel hgetex hincrby hincrbyfloat hmset \
         hpersist hpexpire hpexpireat hset hsetex hsetnx incr incrby incrbyfloat linsert lmove lmpop lpop lpush lpushx lrem lset \
         ltrim migrate move mset msetex msetnx persist pexpire pexpireat pfadd pfdebug pfmerge psetex publish rename renamenx restore \
         restore-asking rpop rpoplpush rpush rpushx sadd sdiffstore set setbit setex setnx setrange sflush sinterstore smove sort \
         spop spublish srem sunionstore swapdb unlink vadd vrem vsetattr xack xackdel xadd xautoclaim xclaim xdel xdelex xgroup \
         xsetid xtrim zadd zdiffstore zincrby zinterstore zmpop zpopmax zpopmin zrangestore zrem zremrangebylex zremrangebyrank \
         zremrangebyscore zunionstore",
    ),
    (
        Class::Neutral,
        "acl asking bgrewriteaof bgsave cluster command config echo failover function info lastsave latency memory module \
         pfselftest ping pubsub readonly readwrite replicaof role save script shutdown slaveof slowlog time",
    ),
    (Class::Blocking, "blmove blmpop blpop brpop brpoplpush bzmpop bzpopmax bzpopmin xread xreadgroup"),
    (Class::Script, "eval evalsha fcall"),
    (Class::Wait, "wait waitaof"),
    (Class::Stateful, "client"),
    (Class::Stream, "monitor psubscribe punsubscribe ssubscribe subscribe sunsubscribe unsubscribe"),
    (Class::Replication, "psync replconf sync"),
    (Class::Control, "debug"),
    (Class::Multi, "multi"),
    (Class::Exec, "exec"),
    (Class::Discard, "discard"),
    (Class::Watch, "watch"),
    (Class::Unwatch, "unwatch"),
    (Class::Select, "select"),
    (Class::Hello, "hello"),
    (Class::Auth, "auth"),
    (Class::Quit, "quit"),
    (Class::Reset, "reset"),
    (Class::CrossProtocol, "post host:"),
];
