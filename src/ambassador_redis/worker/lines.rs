//! The shared connections to the servers of a set, and what becomes of them when the picture of the servers changes.
//!
//! A [`Line`] (version, credentials, database) comes in, [`Lines`] go out: the connection to the primary, and those to the replicas.

use std::cell::{RefCell, RefMut};
use std::collections::HashSet;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use super::Worker;
use crate::ambassador_redis::consistency::{Consistency, LaneId};
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::route::Candidate;
use crate::ambassador_redis::topology::{Node, Topology};
use crate::ambassador_redis::upstream::{Connection, Line, Purpose};

/// The shared connections that a session uses.
pub struct Lines {
    pub epoch: u64,
    pub primary: Result<Rc<Connection>, String>,
    pub replicas: Vec<Rc<Connection>>,
    /// Where they are described for the router.
    candidates: RefCell<Vec<Candidate>>,
}

impl Lines {
    /// What the router must know of the replicas now.
    pub fn candidates(&self, generation: u64) -> RefMut<'_, Vec<Candidate>> {
        let mut candidates = self.candidates.borrow_mut();
        candidates.clear();
        candidates.extend(self.replicas.iter().map(|replica| replica.candidate(generation)));
        candidates
    }

    pub fn is_primary(&self, connection: &Rc<Connection>) -> bool {
        self.primary.as_ref().is_ok_and(|primary| Rc::ptr_eq(primary, connection))
    }
}

impl Worker {
    /// The shared connections of this line.
    pub fn lines(self: &Rc<Self>, line: &Line) -> Rc<Lines> {
        if let Some(lines) = self.lines.borrow().get(line) {
            return lines.clone();
        }
        let topology = self.topology.borrow().clone();
        let primary = Purpose::Primary(self.lane_of(line));
        let lines = Rc::new(Lines {
            epoch: self.changes.get(),
            primary: topology.primary.as_ref().map_err(Clone::clone).map(|node| self.connection(node, line, primary)),
            replicas: match self.policy().consistency {
                Consistency::Primary => Vec::new(),
                _ => topology.replicas.iter().map(|node| self.connection(node, line, Purpose::Replica)).collect(),
            },
            candidates: RefCell::default(),
        });
        self.lines.borrow_mut().insert(line.clone(), lines.clone());
        lines
    }

    /// Whether the primary has let this line in: its credentials and its database are good.
    pub fn is_proved(&self, line: &Line) -> bool {
        self.lines
            .borrow()
            .get(line)
            .is_some_and(|lines| lines.primary.as_ref().is_ok_and(|primary| primary.is_ready()))
    }

    /// A private connection has told something: its offset is asked for at once if reads of late could use replicas.
    pub fn want_cover(&self, line: &Line) {
        if self.interest.get() > 0
            && let Some(lines) = self.lines.borrow().get(line)
            && let Ok(primary) = &lines.primary
        {
            primary.want_cover();
        }
    }

    /// Where the replies of the line's primary are counted: each line has a lane of its own, while there are any.
    fn lane_of(&self, line: &Line) -> LaneId {
        let mut lanes = self.lanes.borrow_mut();
        if let Some(place) = lanes.iter().position(|taken| taken.as_ref() == Some(line)) {
            return self.lane(place + 1);
        }
        match lanes.iter().position(Option::is_none) {
            Some(free) => {
                lanes[free] = Some(line.clone());
                self.lane(free + 1)
            }
            None => self.private_lane(),
        }
    }

    /// Gives up the lines that no session uses any more, but for those that the next client will want.
    pub(super) fn leave_unused(self: &Rc<Self>) {
        let mut used: HashSet<Line> = self.sessions.borrow().values().map(|session| session.line()).collect();
        self.shrink_pool(&used);
        used.extend([Version::Resp2, Version::Resp3].map(|version| self.usual_line(version)));
        self.lines.borrow_mut().retain(|line, _| used.contains(line));
        self.wanted.borrow_mut().retain(|line| used.contains(line));
        self.connections.borrow_mut().retain(|(_, line), connection| {
            let is_used = used.contains(line);
            if !is_used {
                connection.leave();
                self.leaving.borrow_mut().push(connection.clone());
            }
            is_used
        });
        for lane in
            self.lanes.borrow_mut().iter_mut().filter(|lane| lane.as_ref().is_some_and(|line| !used.contains(line)))
        {
            *lane = None;
        }
    }

    /// The line of a client that has said nothing about itself.
    pub fn usual_line(&self, version: Version) -> Line {
        Line { version, identity: self.default_identity(), db: 0 }
    }

    fn connection(self: &Rc<Self>, node: &Arc<Node>, line: &Line, purpose: Purpose) -> Rc<Connection> {
        let key = (node.number, line.clone());
        if let Some(connection) = self.connections.borrow().get(&key)
            && connection.purpose == purpose
            && !connection.is_over()
        {
            return connection.clone();
        }
        let connection = Connection::shared(self, node, line, purpose);
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
        self.lines(&self.usual_line(Version::Resp2));
        self.became_ready();
        self.release_held();
    }
}
