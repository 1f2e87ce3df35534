//! Connections of the control plane, through the `redis` crate: one for each server and each Sentinel.

use redis::aio::MultiplexedConnection;

use crate::core::secret::Secret;
use crate::core::values::Endpoint;

/// Opens a control connection.
///
/// # Errors
/// Why the server cannot be asked, without its address.
pub async fn connect(
    address: &Endpoint,
    credentials: Option<(String, Secret)>,
) -> Result<MultiplexedConnection, String> {
    let address = match address {
        Endpoint::Tcp { host, port } => redis::ConnectionAddr::Tcp(host.clone(), *port),
        Endpoint::Unix(path) => redis::ConnectionAddr::Unix(path.clone()),
    };
    let mut settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some((user, password)) = credentials {
        settings = settings.set_username(user).set_password(password.expose());
    }
    let info = redis::IntoConnectionInfo::into_connection_info(address)
        .map_err(|error| reason(&error))?
        .set_redis_settings(settings);
    let client = redis::Client::open(info).map_err(|error| reason(&error))?;
    client.get_multiplexed_async_connection().await.map_err(|error| reason(&error))
}

/// The crate's error as a part of a sentence.
pub fn reason(error: &redis::RedisError) -> String {
    error.to_string().trim_end_matches('.').to_lowercase()
}
