//! What the three patterns share, and nothing that belongs to one of them.
//!
//! | room | holds |
//! |---|---|
//! | [`mode`] | what a pattern is to the binary: a name, arguments, documents, verbs, a `run` |
//! | [`settings`] | one schema; flag > environment > file > default, each value with its origin |
//! | [`document`] | YAML as a tree that knows its lines, so that every mistake can be named at once |
//! | [`values`] | durations, sizes, endpoints: text in, types with units out |
//! | [`fault`] | what ends a command: kind, cause, hint, exit code, termination log |
//! | [`log`], [`stdout`] | structured logs on stderr, level changeable at run time; what was asked for on stdout |
//! | [`lifecycle`] | named tasks, connections, drain, signals |
//! | [`health`], [`http`] | probes, the status page, `/metrics` |
//! | [`metrics`] | families and samples, and the text formats they leave in |
//! | [`init`] | PID 1, for modes that start processes |
//! | [`reload`], [`rotating`] | watched files, and what is made of them, the last good kept |
//! | [`secret`], [`backoff`], [`net`], [`tls`] | secrets read when used, pauses, sockets, certificates |

pub mod backoff;
pub mod document;
pub mod fault;
pub mod health;
pub mod http;
pub mod init;
pub mod lifecycle;
pub mod log;
pub mod metrics;
pub mod mode;
pub mod net;
pub mod reload;
pub mod rotating;
pub mod secret;
pub mod settings;
pub mod stdout;
pub mod tls;
pub mod values;
