//! A Redis Cluster behind one port.

mod changes;
mod connection;
mod explain;
mod losses;
mod operation;
mod requests;
mod servers;
