//! JSON over HTTP: an application's own statistics in, samples out.

pub mod path;
