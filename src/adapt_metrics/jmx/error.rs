//! What can go wrong between us and a JVM, in words that say who has to act. Never holds a password. What lies below is the
//! error's source: print the whole chain.

use std::time::Duration;

use super::rmi::RmiError;
use super::value::Thrown;

/// Why a JVM could not be read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the variants mean")]
pub enum JmxError {
    #[error("{text:?} is no JMX address: {problem}")]
    Address { text: String, problem: &'static str },
    #[error("cannot connect to {peer}")]
    Connect { peer: String, source: std::io::Error },
    #[error("{peer} does not speak RMI: {answer}")]
    NotRmi { peer: String, answer: String },
    #[error("{peer} speaks TLS, and TLS is switched off for this source")]
    TlsWanted { peer: String },
    #[error("no TLS with {peer}")]
    Tls { peer: String, source: std::io::Error },
    #[error("cannot use {what} for TLS: {problem}")]
    TlsSettings { what: String, problem: String },
    #[error("the RMI registry at {peer} knows no \"jmxrmi\": no JMX agent has been started there ({thrown})")]
    NotBound { peer: String, thrown: Thrown },
    #[error("{peer} refused the login: {thrown}")]
    Login { peer: String, thrown: Thrown },
    #[error("cannot log in")]
    Password { source: anyhow::Error },
    #[error("{peer} refused to {what}: {thrown}")]
    Refused { peer: String, what: &'static str, thrown: Thrown },
    #[error("{peer} broke the protocol")]
    Protocol { peer: String, source: RmiError },
    #[error("{peer} answered {what} with something else")]
    Unexpected { peer: String, what: &'static str },
    #[error("lost the connection to {peer}")]
    Lost { peer: String, source: std::io::Error },
    #[error("{peer} did not answer within {}s", deadline.as_secs_f64())]
    Deadline { peer: String, deadline: Duration },
    #[error("there is no JVM to read: {problem}")]
    NoJvm { problem: String },
    #[error("cannot attach to JVM {process}: {problem}")]
    Attach { process: u32, problem: String },
    #[error("{peer} has {count} beans, and the limit is {limit}: choose with include")]
    TooManyBeans { peer: String, count: usize, limit: usize },
}

impl JmxError {
    /// Whether a connection that had been idle may simply be gone: the JVM restarted, or forgot it.
    pub(crate) fn is_worth_a_new_connection(&self) -> bool {
        match self {
            JmxError::Lost { .. } => true,
            JmxError::Refused { thrown, .. } => thrown.is("java.rmi.NoSuchObjectException"),
            _ => false,
        }
    }
}
