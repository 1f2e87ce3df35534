//! Connections of the control plane, through the `redis` crate: one for each server and each Sentinel.

use redis::aio::MultiplexedConnection;

use crate::ambassador_redis::dial::Dialer;
use crate::core::secret::Secret;
use crate::core::values::Endpoint;

/// Opens a control connection.
///
/// # Errors
/// Why the server cannot be asked, without its address.
pub async fn connect(
    dialer: &Dialer,
    address: &Endpoint,
    credentials: Option<(String, Secret)>,
) -> Result<MultiplexedConnection, String> {
    let mut settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some((user, password)) = credentials {
        settings = settings.set_username(user).set_password(password.expose());
    }
    let stream = dialer.dial(address).await.map_err(|error| error.to_string())?;
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&settings, stream, redis::AsyncConnectionConfig::default())
            .await
            .map_err(|error| reason(&error))?;
    // It ends when the last clone of the connection is dropped.
    tokio::spawn(driver);
    Ok(connection)
}

/// The crate's error as a part of a sentence.
pub fn reason(error: &redis::RedisError) -> String {
    error.to_string().trim_end_matches('.').to_lowercase()
}
