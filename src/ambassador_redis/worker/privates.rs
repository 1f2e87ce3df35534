//! Connections of one session alone: made before they are needed, given out, taken back.

use std::rc::Rc;

use super::Worker;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::upstream::{Connection, Identity};

/// Private connections that wait for a session.
const POOL: usize = 64;
/// Private connections that are kept connected for those who will need one.
const WARM: usize = 4;

impl Worker {
    /// A connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn private(
        self: &Rc<Self>,
        version: Version,
        identity: &Rc<Identity>,
        db: u32,
    ) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        let mut pool = self.pool.borrow_mut();
        let fits = |connection: &Rc<Connection>| {
            connection.version == version
                && connection.identity == *identity
                && connection.node.number == node.number
                && !connection.is_over()
        };
        // One that is in the right database already needs no SELECT.
        let at =
            pool.iter().position(|connection| fits(connection) && connection.is_in(db)).or(pool.iter().position(fits));
        if let Some(at) = at {
            return Ok(pool.remove(at));
        }
        drop(pool);
        self.fresh(version, identity)
    }

    /// A new connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn fresh(self: &Rc<Self>, version: Version, identity: &Rc<Identity>) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        let connection = Connection::private(self, node, version, identity);
        self.privates.borrow_mut().push(Rc::downgrade(&connection));
        Ok(connection)
    }

    /// Takes a private connection back that holds no state any more.
    pub fn give_back(&self, connection: Rc<Connection>) {
        let mut pool = self.pool.borrow_mut();
        if connection.is_clean() && pool.len() < POOL {
            pool.push(connection);
        } else {
            connection.retire("no session needs it");
        }
    }

    /// Keeps a few private connections connected before they are needed: a command that blocks must reach the server before what
    /// another client sends right behind it.
    pub(super) fn warm(self: &Rc<Self>) {
        let identity = self.default_identity();
        if !self.lines(Version::Resp2, &identity).primary.as_ref().is_ok_and(|primary| primary.is_ready()) {
            return;
        }
        let is_warm =
            |connection: &&Rc<Connection>| connection.version == Version::Resp2 && connection.identity == identity;
        let have = self.pool.borrow().iter().filter(is_warm).count();
        for _ in have..WARM {
            if let Ok(connection) = self.fresh(Version::Resp2, &identity) {
                self.pool.borrow_mut().push(connection);
            }
        }
    }
}
