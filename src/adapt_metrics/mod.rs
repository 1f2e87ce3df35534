//! The adapter: statistics of many kinds in, one uniform metrics page out.

pub mod jmx;
