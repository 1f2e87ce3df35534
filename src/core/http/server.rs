//! The server under the routes: one hyper connection a task, bounded in number, header time and body.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::route::{Reply, Request, Routes};

/// The largest body that is read, in bytes.
pub(super) const MAX_BODY: usize = 1 << 20;
/// The most connections at once: probes and scrapers are few, and the listener must not crowd out the mode.
const MAX_CONNECTIONS: usize = 128;
/// How long a peer may take for its request's head, and how long it may be silent between two requests.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// How long replies under way may take once the process ends.
const LAST_REPLIES: Duration = Duration::from_secs(2);

/// A running listener.
pub struct Server {
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Server {
    /// Stops accepting, lets replies under way finish, and cuts what takes longer than two seconds.
    pub async fn stop(self) {
        self.stop.cancel();
        self.connections.close();
        // Past the limit the runtime's end cuts them.
        let _ = tokio::time::timeout(LAST_REPLIES, self.connections.wait()).await;
    }
}

/// Serves the routes on a listener until [`Server::stop`].
///
/// # Errors
/// The listener cannot be handed to the runtime.
pub fn serve(listener: std::net::TcpListener, routes: Routes) -> io::Result<Server> {
    let listener = TcpListener::from_std(listener)?;
    let server = Server { stop: CancellationToken::new(), connections: TaskTracker::new() };
    let (stop, connections) = (server.stop.clone(), server.connections.clone());
    server.connections.spawn(accept(listener, routes, stop, connections));
    Ok(server)
}

async fn accept(listener: TcpListener, routes: Routes, stop: CancellationToken, connections: TaskTracker) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = async {
                // The semaphore is never closed, so a place always comes.
                let place = places.clone().acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        match accepted {
            (Ok((stream, peer)), place) => {
                let (routes, stop) = (routes.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, peer.ip(), routes, stop).await;
                    drop(place);
                });
            }
            (Err(error), _) if is_peers_doing(&error) => {}
            (Err(error), _) => {
                warn!(%error, "cannot accept on the HTTP listener, pausing");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// Whether an accept failed because the peer left, and not because we are out of something.
fn is_peers_doing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn connection(stream: tokio::net::TcpStream, peer: IpAddr, routes: Routes, stop: CancellationToken) {
    let service = service_fn(move |request| answer(routes.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "an HTTP connection ended early");
    }
}

async fn answer(
    routes: Routes,
    peer: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let reply = match routes.find(&head.method, head.uri.path(), peer) {
        Err(refusal) => refusal,
        Ok(handler) => match Limited::new(body, MAX_BODY).collect().await {
            Err(_) => Reply::text(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have at most {MAX_BODY} bytes\n")),
            Ok(body) => {
                let path = head.uri.path().to_owned();
                let query = head.uri.query().unwrap_or_default().to_owned();
                handler(Request { path, query, headers: head.headers, body: body.to_bytes(), peer }).await
            }
        },
    };
    Ok(reply.into_response())
}
