//! A new stream to a server, and the first words on it.

use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::Worker;
use crate::ambassador_redis::resp::Version;
use crate::ambassador_redis::topology::Node;
use crate::ambassador_redis::transport::Transport;
use crate::ambassador_redis::upstream::{Greeting, Identity, greet};
use crate::core::values::Endpoint;

impl Worker {
    /// Opens a stream to a server and greets it.
    ///
    /// # Errors
    /// Why it cannot be used, with its address.
    pub async fn connect(
        &self,
        node: &Node,
        version: Version,
        identity: &Identity,
    ) -> Result<(Transport, Greeting), String> {
        let timeout = self.shared.policy.connect_timeout;
        let attempt = async {
            let mut transport = match &node.address {
                Endpoint::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
                    let socket = socket2::SockRef::from(&stream);
                    // Both only make a dead peer known sooner.
                    let _ = socket.set_tcp_nodelay(true);
                    let _ = socket.set_tcp_keepalive(
                        &socket2::TcpKeepalive::new()
                            .with_time(Duration::from_secs(30))
                            .with_interval(Duration::from_secs(5)),
                    );
                    Transport::Tcp(stream)
                }
                Endpoint::Unix(path) => {
                    Transport::Unix(UnixStream::connect(path).await.map_err(|error| error.to_string())?)
                }
            };
            let greeting = greet(&mut transport, version, identity).await.map_err(|error| error.to_string())?;
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
