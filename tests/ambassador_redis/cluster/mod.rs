//! A Redis Cluster behind one port.

mod changes;
mod requests;
mod servers;
