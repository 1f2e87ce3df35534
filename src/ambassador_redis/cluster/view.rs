//! The picture that one server has of its Cluster, and which of several pictures is believed.
//!
//! The replies of `CLUSTER SHARDS` (7.0 and later) or `CLUSTER SLOTS`, and of `CLUSTER INFO`, come in; shards with their slots and
//! servers go out. A server without a usable address of its own is the one that was asked (its host, the port that it tells). Slots
//! beyond the last one, and shards beyond what a Cluster can have, are refused.

use redis::Value;

use super::slots::SLOTS;
use crate::core::values::Endpoint;

/// The most shards that are believed; Redis recommends at most 1000 servers.
const MAX_SHARDS: usize = 1024;

/// How a Cluster looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub shards: Vec<ShardView>,
    /// The server says that the Cluster serves requests.
    pub serves: bool,
    /// The newest configuration epoch that the server has heard of.
    pub epoch: u64,
}

/// A primary with its replicas, and the slots that they have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardView {
    /// First and last slot of each range.
    pub slots: Vec<(u16, u16)>,
    pub primary: Option<Member>,
    pub replicas: Vec<Member>,
}

/// One server of a Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub address: Endpoint,
    /// The Cluster has agreed that it is gone.
    pub failed: bool,
}

/// Which of the ports that a server announces is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Plain,
    Tls,
}

impl View {
    /// Reads the reply of `CLUSTER SHARDS`.
    pub fn from_shards(reply: &Value, asked: &str, port: Port) -> Option<View> {
        let shards = list(reply)?.iter().take(MAX_SHARDS).map(|shard| shard_view(shard, asked, port));
        Some(View { shards: shards.collect::<Option<_>>()?, ..View::default() })
    }

    /// Reads the reply of `CLUSTER SLOTS`.
    pub fn from_slots(reply: &Value, asked: &str) -> Option<View> {
        let mut view = View::default();
        for entry in list(reply)?.iter().take(usize::from(SLOTS)) {
            let [first, last, primary, replicas @ ..] = list(entry)? else { return None };
            let range = (slot(first)?, slot(last)?);
            let primary = slots_member(primary, asked)?;
            match view.shards.iter_mut().find(|shard| shard.primary.as_ref() == Some(&primary)) {
                Some(shard) => shard.slots.push(range),
                None => view.shards.push(ShardView {
                    slots: vec![range],
                    primary: Some(primary),
                    replicas: replicas.iter().filter_map(|replica| slots_member(replica, asked)).collect(),
                }),
            }
        }
        (view.shards.len() <= MAX_SHARDS).then_some(view)
    }

    /// Adds what `CLUSTER INFO` tells.
    pub fn with_info(self, info: &str) -> View {
        let field = |name: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'));
        View {
            serves: field("cluster_state") == Some("ok"),
            epoch: field("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0),
            ..self
        }
    }

    /// Who serves which slots: what views are compared by.
    fn owners(&self) -> Vec<((u16, u16), &str)> {
        let ranges = self.shards.iter().flat_map(|shard| {
            let id = shard.primary.as_ref().map_or("", |primary| primary.id.as_str());
            shard.slots.iter().map(move |range| (*range, id))
        });
        let mut owners: Vec<_> = ranges.collect();
        owners.sort_unstable();
        owners
    }
}

/// The view that is believed: of a server that serves, with the newest epoch, that most others share.
pub fn choose(views: Vec<View>) -> Option<View> {
    let votes: Vec<usize> =
        views.iter().map(|view| views.iter().filter(|other| other.owners() == view.owners()).count()).collect();
    let known =
        views.into_iter().zip(votes).filter(|(view, _)| view.shards.iter().any(|shard| !shard.slots.is_empty()));
    known.max_by_key(|(view, votes)| (view.serves, view.epoch, *votes)).map(|(view, _)| view)
}

fn shard_view(shard: &Value, asked: &str, port: Port) -> Option<ShardView> {
    let bounds: Vec<u16> = list(&field(shard, "slots")?)?.iter().map(slot).collect::<Option<_>>()?;
    let mut view =
        ShardView { slots: bounds.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), ..ShardView::default() };
    for node in list(&field(shard, "nodes")?)? {
        let number = match port {
            Port::Tls => field(node, "tls-port").or_else(|| field(node, "port")),
            Port::Plain => field(node, "port").or_else(|| field(node, "tls-port")),
        };
        let host = [field(node, "endpoint"), field(node, "ip")].into_iter().flatten().find_map(|host| usable(&host));
        let Some(address) = number.and_then(|number| endpoint(host.as_deref().unwrap_or(asked), &number)) else {
            continue;
        };
        let is = |name: &str, value: &str| field(node, name).as_ref().and_then(text).as_deref() == Some(value);
        let id = field(node, "id").as_ref().and_then(text).unwrap_or_else(|| address.to_string());
        let member = Member { id, address, failed: is("health", "fail") || is("health", "failed") };
        if is("role", "master") && view.primary.is_none() {
            view.primary = Some(member);
        } else {
            view.replicas.push(member);
        }
    }
    Some(view)
}

fn slots_member(member: &Value, asked: &str) -> Option<Member> {
    let (host, port, more) = match list(member)? {
        [host, port, more @ ..] => (usable(host), port, more),
        _ => return None,
    };
    // Behind the preferred endpoint stand the other ways to name the server.
    let ip = more.get(1).and_then(|metadata| field(metadata, "ip")).and_then(|ip| usable(&ip));
    let address = endpoint(host.or(ip).as_deref().unwrap_or(asked), port)?;
    let id = more.first().and_then(text).unwrap_or_else(|| address.to_string());
    Some(Member { id, address, failed: false })
}

/// A host that one can connect to.
fn usable(host: &Value) -> Option<String> {
    text(host).filter(|host| !host.is_empty() && host != "?")
}

fn endpoint(host: &str, port: &Value) -> Option<Endpoint> {
    let port = u16::try_from(number(port)?).ok().filter(|port| *port != 0)?;
    Some(Endpoint::Tcp { host: host.to_owned(), port })
}

fn slot(value: &Value) -> Option<u16> {
    u16::try_from(number(value)?).ok().filter(|slot| *slot < SLOTS)
}

fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// A field of a map, or of a list of names and values in turn.
fn field(value: &Value, name: &str) -> Option<Value> {
    let is = |key: &Value| text(key).as_deref() == Some(name);
    match value {
        Value::Map(pairs) => pairs.iter().find(|(key, _)| is(key)).map(|(_, value)| value.clone()),
        _ => list(value)?.chunks_exact(2).find(|pair| is(&pair[0])).map(|pair| pair[1].clone()),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn node(id: &str, endpoint: Value, ip: &str, port: i64, role: &str, health: &str) -> Value {
        Value::Array(vec![
            bulk("id"),
            bulk(id),
            bulk("port"),
            Value::Int(port),
            bulk("ip"),
            bulk(ip),
            bulk("endpoint"),
            endpoint,
            bulk("role"),
            bulk(role),
            bulk("replication-offset"),
            Value::Int(0),
            bulk("health"),
            bulk(health),
        ])
    }

    fn shard(slots: &[i64], nodes: Vec<Value>) -> Value {
        let slots = slots.iter().copied().map(Value::Int).collect();
        Value::Array(vec![bulk("slots"), Value::Array(slots), bulk("nodes"), Value::Array(nodes)])
    }

    fn address(host: &str, port: u16) -> Endpoint {
        Endpoint::Tcp { host: host.to_owned(), port }
    }

    #[test]
    fn shards_tell_slots_roles_and_who_is_gone() {
        let reply = Value::Array(vec![
            shard(
                &[0, 5, 7, 7],
                vec![
                    node("r", bulk("10.0.0.2"), "10.0.0.2", 2, "replica", "online"),
                    node("p", bulk("10.0.0.1"), "10.0.0.1", 1, "master", "online"),
                    node("g", bulk("10.0.0.3"), "10.0.0.3", 3, "replica", "fail"),
                ],
            ),
            shard(&[], vec![node("new", bulk("10.0.0.4"), "10.0.0.4", 4, "master", "online")]),
        ]);
        let view = View::from_shards(&reply, "asked", Port::Plain).expect("a view");
        assert_eq!(view.shards[0].slots, [(0, 5), (7, 7)]);
        assert_eq!(view.shards[0].primary.as_ref().map(|node| node.id.as_str()), Some("p"));
        assert_eq!(view.shards[0].replicas.iter().map(|node| node.failed).collect::<Vec<_>>(), [false, true]);
        assert_eq!((view.shards[1].slots.len(), view.shards[1].replicas.len()), (0, 0));
    }

    #[test]
    fn a_server_without_an_address_is_the_one_that_was_asked() {
        for (endpoint, ip, expected) in [
            (Value::Nil, "", "asked"),
            (bulk("?"), "10.0.0.1", "10.0.0.1"),
            (bulk(""), "", "asked"),
            (bulk("redis-0"), "10.0.0.1", "redis-0"),
        ] {
            let reply = Value::Array(vec![shard(&[0, 1], vec![node("p", endpoint, ip, 1, "master", "online")])]);
            let view = View::from_shards(&reply, "asked", Port::Plain).expect("a view");
            assert_eq!(view.shards[0].primary.as_ref().map(|node| &node.address), Some(&address(expected, 1)));
        }
    }

    #[test]
    fn slots_of_older_servers_are_gathered_by_primary() {
        let member = |host: Value, port: i64, id: &str| Value::Array(vec![host, Value::Int(port), bulk(id)]);
        let range = |first: i64, last: i64, primary: Value| {
            Value::Array(vec![Value::Int(first), Value::Int(last), primary, member(bulk("b"), 2, "r")])
        };
        let reply = Value::Array(vec![
            range(0, 5, member(bulk("a"), 1, "p")),
            range(9, 9, member(bulk("a"), 1, "p")),
            range(6, 8, member(Value::Nil, 3, "q")),
        ]);
        let view = View::from_slots(&reply, "asked").expect("a view");
        assert_eq!(
            view.shards.iter().map(|shard| shard.slots.clone()).collect::<Vec<_>>(),
            [vec![(0, 5), (9, 9)], vec![(6, 8)]]
        );
        assert_eq!(view.shards[1].primary.as_ref().map(|node| &node.address), Some(&address("asked", 3)));
        assert_eq!(view.shards[0].replicas.len(), 1);
        assert_eq!(View::from_slots(&Value::Array(vec![range(0, 16384, Value::Nil)]), "asked"), None);
        assert_eq!(View::from_slots(&Value::Nil, "asked"), None);
    }

    #[test]
    fn the_newest_view_of_a_server_that_serves_is_believed_then_the_one_that_most_share() {
        let view = |id: &str, serves, epoch| View {
            shards: vec![ShardView {
                slots: vec![(0, 16383)],
                primary: Some(Member { id: id.to_owned(), address: address(id, 1), failed: false }),
                replicas: Vec::new(),
            }],
            serves,
            epoch,
        };
        let believed =
            |views: Vec<View>| choose(views).and_then(|view| view.shards[0].primary.clone()).map(|node| node.id);
        assert_eq!(believed(vec![view("old", true, 3), view("new", true, 4)]), Some("new".into()));
        assert_eq!(believed(vec![view("minority", false, 5), view("b", true, 4)]), Some("b".into()));
        assert_eq!(believed(vec![view("a", true, 4), view("b", true, 4), view("b", true, 4)]), Some("b".into()));
        assert_eq!(believed(vec![View { serves: true, epoch: 9, ..View::default() }]), None);
    }

    #[test]
    fn the_state_and_the_epoch_are_read_from_the_text() {
        let info =
            "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:12\r\ncluster_my_epoch:3\r\n";
        let view = View::default().with_info(info);
        assert_eq!((view.serves, view.epoch), (true, 12));
    }
}
