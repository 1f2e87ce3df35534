//! A new stream to a server, and the first words on it.

use std::time::Duration;

use super::Worker;
use crate::ambassador_redis::shared::Kind;
use crate::ambassador_redis::topology::Node;
use crate::ambassador_redis::transport::Transport;
use crate::ambassador_redis::upstream::{Greeting, Line, Purpose, greet, permit_reads};

impl Worker {
    /// Opens a stream to a server and greets it.
    ///
    /// # Errors
    /// Why it cannot be used, with its address.
    pub async fn connect(&self, node: &Node, line: &Line, purpose: Purpose) -> Result<(Transport, Greeting), String> {
        let timeout = self.policy().connect_timeout;
        let attempt = async {
            let ours = self.own_credentials()?;
            let mut transport = self.shared.dialer.dial(&node.address).await.map_err(|error| error.to_string())?;
            let greeting = greet(&mut transport, line, ours.as_ref()).await.map_err(|error| error.to_string())?;
            if self.shared.kind == Kind::Shard && purpose == Purpose::Replica {
                permit_reads(&mut transport).await.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>((transport, greeting))
        };
        match tokio::time::timeout(timeout, attempt).await {
            Ok(Ok(greeted)) => Ok(greeted),
            Ok(Err(why)) => Err(format!("{}: {why}", node.address)),
            Err(_) => Err(format!("{}: no answer within {timeout:?}", node.address)),
        }
    }

    /// Pauses, but not beyond a change of the servers' roles.
    pub async fn pause(&self, duration: Duration) {
        let mut topology = self.shared.topology.subscribe();
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            _ = topology.changed() => {}
        }
    }
}
