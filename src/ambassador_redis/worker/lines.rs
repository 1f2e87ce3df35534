//! The shared connections to the servers of a set, and what becomes of them when the picture of the servers changes.
//!
//! A version and credentials come in, [`Lines`] go out: the connection to the primary, and those to the replicas.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::Worker;
use crate::ambassador_redis::consistency::Consistency;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::topology::{Node, Topology};
use crate::ambassador_redis::upstream::{Connection, Identity, Purpose};

/// What tells shared connections to one server apart.
pub(super) type Line = (Version, Rc<Identity>);

/// The shared connections that a session with this version and these credentials uses.
pub struct Lines {
    pub epoch: u64,
    pub primary: Result<Rc<Connection>, String>,
    pub replicas: Vec<Rc<Connection>>,
}

impl Lines {
    pub fn is_primary(&self, connection: &Rc<Connection>) -> bool {
        self.primary.as_ref().is_ok_and(|primary| Rc::ptr_eq(primary, connection))
    }
}

impl Worker {
    /// The shared connections for a version and credentials.
    pub fn lines(self: &Rc<Self>, version: Version, identity: &Rc<Identity>) -> Rc<Lines> {
        if let Some(lines) = self.lines.borrow().get(&(version, identity.clone())) {
            return lines.clone();
        }
        let topology = self.topology.borrow().clone();
        let lane = match version {
            _ if **identity != **self.identity.borrow() => 2,
            Version::Resp2 => 0,
            Version::Resp3 => 1,
        };
        let primary = Purpose::Primary(self.lane(lane));
        let lines = Rc::new(Lines {
            epoch: self.changes.get(),
            primary: topology
                .primary
                .as_ref()
                .map_err(Clone::clone)
                .map(|node| self.connection(node, version, identity, primary)),
            replicas: match self.shared.policy.consistency {
                Consistency::Primary => Vec::new(),
                _ => topology
                    .replicas
                    .iter()
                    .map(|node| self.connection(node, version, identity, Purpose::Replica))
                    .collect(),
            },
        });
        self.lines.borrow_mut().insert((version, identity.clone()), lines.clone());
        lines
    }

    fn connection(
        self: &Rc<Self>,
        node: &Arc<Node>,
        version: Version,
        identity: &Rc<Identity>,
        purpose: Purpose,
    ) -> Rc<Connection> {
        let key = (node.number, (version, identity.clone()));
        if let Some(connection) = self.connections.borrow().get(&key)
            && connection.purpose == purpose
            && !connection.is_over()
        {
            return connection.clone();
        }
        let connection = Connection::shared(self, node, version, identity, purpose);
        self.connections.borrow_mut().insert(key, connection.clone());
        connection
    }

    /// Lets another connection carry what comes from now on: this one must wait for a slow client.
    pub fn replace(&self, connection: &Rc<Connection>) {
        self.leaving.borrow_mut().push(connection.clone());
        self.connections.borrow_mut().retain(|_, kept| !Rc::ptr_eq(kept, connection));
        self.lines.borrow_mut().clear();
        self.changes.set(self.changes.get() + 1);
    }

    /// Uses another picture of the servers from now on.
    pub(super) fn follow(self: &Rc<Self>, topology: Arc<Topology>) {
        self.changes.set(self.changes.get() + 1);
        *self.table.borrow_mut() = self.shared.table.load_full();
        *self.topology.borrow_mut() = topology;
        self.lines.borrow_mut().clear();
        self.read_credentials();
        let topology = self.topology.borrow().clone();
        let is_used = |connection: &Connection| match connection.purpose {
            Purpose::Primary(_) => topology.primary.as_ref().is_ok_and(|node| node.number == connection.node.number),
            Purpose::Replica => topology.replicas.iter().any(|node| node.number == connection.node.number),
            Purpose::Private(_) => true,
        };
        self.connections.borrow_mut().retain(|_, connection| {
            let used = is_used(connection);
            if !used {
                // What it was asked is still answered.
                connection.leave();
                self.leaving.borrow_mut().push(connection.clone());
            }
            used
        });
        if let Ok(primary) = &topology.primary {
            // The state that they hold is lost with the old primary, and only closing their sessions says so.
            for connection in self.privates.borrow().iter().filter_map(Weak::upgrade) {
                if connection.node.number != primary.number {
                    connection.retire("the server has another role now");
                }
            }
        }
        self.lines(Version::Resp2, &self.default_identity());
        self.became_ready();
        self.release_held();
    }
}
