//! One random script to a Redis and to the ambassador in front of such a set: the replies are the same, byte for byte.
//!
//! Left out is what may differ between two Redis: clocks, random choices, the order of sets, the numbers of clients.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::client::command;
use crate::servers::{RedisServer, Set};
use crate::support::PATIENCE;

/// Capital letters in the place of an argument stand for a key of that type, N for a number, V for a value.
const COMMANDS: &str = "SET K V|SET K V NX|SET K V XX GET|GET K|GET K|GETDEL K|GETEX K PERSIST|GETSET K V|APPEND K V|STRLEN K|SETRANGE K N V|\
    GETRANGE K N N|INCR K|DECRBY K N|INCRBYFLOAT K V|MGET K K K|MSET K V K V|MSETNX K V K V|SETBIT K 7 1|BITCOUNT K|BITOP NOT K K|\
    BITFIELD K SET u8 0 255 GET u8 0|BITFIELD_RO K GET u8 0|LCS K K|LPUSH L V V|RPUSH L V V V|LPOP L|RPOP L 2|LLEN L|LRANGE L 0 -1|\
    LINDEX L N|LSET L N V|LINSERT L BEFORE V V|LREM L N V|LTRIM L N N|LPOS L V|LMOVE L L LEFT RIGHT|LMPOP 2 L L LEFT|BLPOP L 0.01|\
    BLMOVE L L RIGHT LEFT 0.01|BLMPOP 0.01 1 L LEFT|SORT L ALPHA|SORT L|SORT L ALPHA STORE L|SORT_RO L ALPHA|SADD S V V|SREM S V|SCARD S|\
    SISMEMBER S V|SMISMEMBER S V V|SINTERCARD 2 S S|SUNIONSTORE S S S|ZADD Z N V N V|ZADD Z GT CH N V|ZADD Z INCR N V|ZCARD Z|\
    ZRANGE Z 0 -1 WITHSCORES|ZRANGE Z (1 5 BYSCORE|ZRANGEBYLEX Z - +|ZRANK Z V|ZSCORE Z V|ZREM Z V|ZPOPMIN Z|BZPOPMAX Z 0.01|\
    ZUNION 2 Z Z WITHSCORES|ZDIFFSTORE Z 2 Z Z|ZRANGESTORE Z Z 0 1|HSET H V V V V|HGET H V|HMGET H V V|HDEL H V|HLEN H|HINCRBY H n N|\
    HEXISTS H V|PFADD P V V|PFCOUNT P|PFMERGE P P|XADD X N-1 f V|XLEN X|XRANGE X - +|XREAD COUNT 2 STREAMS X 0|XREAD STREAMS X $|\
    XREAD BLOCK 10 STREAMS X $|XGROUP CREATE X g 0|XREADGROUP GROUP g c STREAMS X >|XACK X g 1-1|XDEL X 1-1|DEL K L|UNLINK S Z|\
    EXISTS K L S|TYPE L|EXPIREAT K 99999999999|EXPIRETIME K|PERSIST K|RENAME K L|COPY K K REPLACE|OBJECT ENCODING L|DBSIZE|SCAN 0 MATCH zz*|\
    MULTI|MULTI|EXEC|EXEC|DISCARD|WATCH K|UNWATCH|EVAL return{1,'a',{false}} 0|EVAL return(redis.call('get',KEYS[1])) 1 K|\
    EVAL return(redis.call('set',KEYS[1],ARGV[1])) 1 K V|EVAL_RO return(redis.call('set',KEYS[1],1)) 1 K|EVAL syntax( 0|EVALSHA x 0|\
    SCRIPT LOAD return(1)|EVALSHA_RO e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0|FCALL nof 0|PUBLISH ch V|SUBSCRIBE ch|\
    UNSUBSCRIBE ch|PSUBSCRIBE c*|PUNSUBSCRIBE c*|SSUBSCRIBE sc|SUNSUBSCRIBE sc|PUBSUB NUMSUB ch|PING|PING V|ECHO V|SELECT 0|SELECT 1|SELECT 99|\
    SELECT x|RESET|RESET x|HELLO 3 SETNAME|HELLO 2 FOO|HELLO 4|HELLO x|CLIENT SETNAME me|CLIENT SETNAME a%b|CLIENT GETNAME|\
    CLIENT REPLY SKIP|CLIENT NO-EVICT on|CLIENT TRACKING on|CLIENT TRACKING off|CLIENT TRACKINGINFO|CLIENT CACHING yes|CLIENT FOO|CLIENT|\
    COMMAND COUNT|COMMAND GETKEYS MSET a b c d|CONFIG GET maxmemory-policy|CONFIG SET nosuch x|ACL WHOAMI|ACL FOO|WAIT a b|FOO bar|GET|SET k|\
    DEBUG FOO|OBJECT|READONLY|LASTSAVE x|FLUSHDB";
const VALUES: [&str; 9] = ["a", "b", "1", "2.5", "-5", "", "x y", "\r\n", "v\0w"];

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 27)) >> 33) as usize % end
    }

    fn request(&mut self, commands: &[&str]) -> Vec<u8> {
        let template = commands[self.below(commands.len())];
        let mut words: Vec<String> = template.split(' ').map(|word| self.word(word)).collect();
        match self.below(40) {
            // It would be greeted, with a number of its own.
            _ if words[0] == "HELLO" => {}
            0 => words.push(VALUES[self.below(VALUES.len())].to_owned()),
            1 if words.len() > 2 => drop(words.pop()),
            _ => {}
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_simple =
            words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        match self.below(12) {
            0 if is_simple => format!("{}\r\n", words.join(" ")).into_bytes(),
            _ => command(&words),
        }
    }

    fn word(&mut self, word: &str) -> String {
        match word {
            "K" | "L" | "S" | "Z" | "H" | "P" | "X" if self.below(15) == 0 => "K0".to_owned(),
            "K" | "L" | "S" | "Z" | "H" | "P" | "X" => format!("{word}{}", self.below(2)),
            "N" => ["0", "1", "-1", "3", "x"][self.below(5)].to_owned(),
            "N-1" => format!("{}-1", 1 + self.below(9)),
            "V" => VALUES[self.below(VALUES.len())].to_owned(),
            _ => word.to_owned(),
        }
    }
}

/// All that is answered up to the echo of `mark`.
fn answers(stream: &mut TcpStream, requests: &[u8], mark: &str) -> String {
    stream.write_all(requests).expect("the socket takes it");
    let (mut all, mut piece) = (Vec::new(), [0; 4096]);
    let end = format!("{mark}\r\n");
    while !all.ends_with(end.as_bytes()) {
        match stream.read(&mut piece) {
            Ok(read @ 1..) => all.extend_from_slice(&piece[..read]),
            _ => return format!("{}(ended)", String::from_utf8_lossy(&all)),
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the port is open");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("a socket option");
    stream
}

#[test]
fn random_scripts_are_answered_as_by_one_redis() {
    let (direct, set) = (RedisServer::start(), Set::start(2, &[]));
    let commands: Vec<&str> = COMMANDS.split('|').collect();
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut pairs = [(); 2].map(|()| (connect(direct.port), connect(set.ambassador.port)));
        let greeting = command(&["HELLO", if dice.below(2) == 0 { "2" } else { "3" }]);
        let mut history = Vec::new();
        for step in 0..12 {
            let (one, other) = &mut pairs[usize::from(dice.below(4) == 0)];
            let mark = format!("mark-{seed}-{step}");
            let mut requests: Vec<u8> = match step {
                0 => [command(&["FLUSHALL"]), command(&["SCRIPT", "FLUSH"])].concat(),
                _ => (0..=dice.below(6)).flat_map(|_| dice.request(&commands)).collect(),
            };
            if step == 1 {
                // The greeting has a number of the client's own in it.
                for stream in [&mut *one, &mut *other] {
                    answers(stream, &[greeting.clone(), command(&["PING", "greeted"])].concat(), "greeted");
                }
            }
            // Ends what would swallow the mark, or keep it back.
            requests.extend([command(&["DISCARD"]), command(&["PING", &mark])].concat());
            history.push(String::from_utf8_lossy(&requests).into_owned());
            let expected = answers(one, &requests, &mark);
            assert_eq!(answers(other, &requests, &mark), expected, "seed {seed}, behind {history:#?}");
        }
    }
}
