//! What a person on call asks: which requests were slow, which keys are asked for most, which values are large.
//!
//! Requests come in, few of them: the slow, the large, and a sample of the rest. Lists of fixed length go out, on the status page without
//! keys and arguments, and whole on the loopback interface only.

mod keys;
mod page;
mod slowlog;

pub use keys::{KeyStats, has_key};
pub use page::serve;
pub use slowlog::{Slow, Slowlog, shown_arguments};
