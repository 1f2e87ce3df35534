//! JSON over HTTP: an application's own statistics in, samples out.
//!
//! Two ways lead here: a source that is polled (`endpoint`), and a probe of any target by a module of a json_exporter file
//! (`modules`, served by `probe`). Both ask by a `request` and take what `extract` finds by its `path`s.

mod body;
mod credentials;
pub mod endpoint;
pub mod extract;
mod modules;
pub mod path;
pub mod probe;
mod request;

pub use endpoint::Endpoint;
pub use modules::Modules;
