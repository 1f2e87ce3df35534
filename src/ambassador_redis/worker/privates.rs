//! Connections of one session alone: made before they are needed, given out, taken back.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Worker;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::upstream::{Connection, Line, own};

/// Private connections that wait for a session.
const POOL: usize = 64;
/// Private connections that are kept connected for those who will need one.
const WARM: usize = 4;
/// How soon they are made anew again.
const WARM_PAUSE: Duration = Duration::from_millis(20);
/// For how many versions and databases.
const WARM_LINES: usize = 4;

impl Worker {
    /// A connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn private(self: &Rc<Self>, line: &Line) -> Result<Rc<Connection>, String> {
        self.pooled(line, |_| true)
    }

    /// The same for a client that will look at the connection itself: one on which nothing was done yet.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn untouched(self: &Rc<Self>, line: &Line) -> Result<Rc<Connection>, String> {
        self.pooled(line, Connection::is_unused)
    }

    fn pooled(self: &Rc<Self>, line: &Line, suits: impl Fn(&Connection) -> bool) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        self.note_wanted(line);
        let mut pool = self.pool.borrow_mut();
        let at = pool.iter().position(|connection| {
            connection.line == *line
                && connection.node.number == node.number
                && !connection.is_over()
                && suits(connection)
        });
        let pooled = at.map(|at| pool.remove(at));
        drop(pool);
        self.warm();
        pooled.map_or_else(|| self.fresh(line), Ok)
    }

    /// Whether a private connection is one to the server that is the primary now.
    pub fn is_current(&self, private: &Connection) -> bool {
        let is_primary = self.topology.borrow().primary.as_ref().is_ok_and(|node| node.number == private.node.number);
        is_primary && !private.is_over()
    }

    /// A new connection to the primary for one session alone.
    ///
    /// # Errors
    /// There is no primary; the text says why.
    pub fn fresh(self: &Rc<Self>, line: &Line) -> Result<Rc<Connection>, String> {
        let topology = self.topology.borrow().clone();
        let node = topology.primary.as_ref().map_err(Clone::clone)?;
        let connection = Connection::private(self, node, line);
        self.privates.borrow_mut().push(Rc::downgrade(&connection));
        Ok(connection)
    }

    /// Lets the server answer what waits there on a private connection; whether it can be asked to.
    pub fn let_go(self: &Rc<Self>, private: &Connection) -> bool {
        let lines = self.lines(&self.usual_line(Version::Resp2));
        match (&lines.primary, private.number_at_server()) {
            (Ok(primary), Some(number)) if primary.is_ready() => {
                let number = number.to_string();
                primary.append_own(&[own::CLIENT, b"UNBLOCK", number.as_bytes(), b"ERROR"]);
                primary.wake();
                true
            }
            _ => false,
        }
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

    /// Ends the private connections that wait for nobody: those of other lines than the sessions', but for the few that the next client
    /// may want.
    pub(super) fn shrink_pool(&self, used: &HashSet<Line>) {
        let (usual, mut kept) = (self.usual_line(Version::Resp2), 0);
        self.pool.borrow_mut().retain(|connection| {
            let is_usual = connection.line == usual;
            kept += usize::from(is_usual);
            let is_wanted = used.contains(&connection.line) || is_usual && kept <= WARM;
            if !is_wanted {
                connection.retire("no session needs it");
            }
            is_wanted
        });
    }

    /// A session wants a private connection of this line: the next one may, too.
    fn note_wanted(&self, line: &Line) {
        let mut wanted = self.wanted.borrow_mut();
        match wanted.iter().position(|other| other == line) {
            Some(place) => wanted[..=place].rotate_right(1),
            None => {
                wanted.truncate(WARM_LINES - 1);
                wanted.insert(0, line.clone());
            }
        }
    }

    /// A private connection was closed by its server, perhaps one of those that are kept for the next one. Nothing is done if some were made
    /// just before: the server may close whatever it is offered.
    pub fn miss(self: &Rc<Self>) {
        if self.warmed.get().is_none_or(|warmed| warmed.elapsed() >= WARM_PAUSE) {
            self.warm();
        }
    }

    /// Keeps a few private connections connected before they are needed: a command that blocks must reach the server before what
    /// another client sends right behind it.
    pub(super) fn warm(self: &Rc<Self>) {
        let identity = self.default_identity();
        let wanted = self.wanted.borrow().clone();
        let others: Vec<Line> = self.lines.borrow().keys().filter(|line| !wanted.contains(line)).cloned().collect();
        let mut lines = [wanted, others].concat();
        lines.retain(|line| line.identity == identity);
        lines.truncate(WARM_LINES);
        for line in lines.iter().filter(|line| self.is_proved(line)) {
            let is_there = |connection: &&Rc<Connection>| connection.line == *line && !connection.is_over();
            let have = self.pool.borrow().iter().filter(is_there).count();
            if have < WARM {
                self.warmed.set(Some(Instant::now()));
            }
            for _ in have..WARM {
                if let Ok(connection) = self.fresh(line) {
                    self.pool.borrow_mut().push(connection);
                }
            }
        }
    }
}
