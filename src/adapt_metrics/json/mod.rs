//! JSON over HTTP: an application's own statistics in, samples out.

pub mod endpoint;
pub mod extract;
pub mod path;

pub use endpoint::Endpoint;
