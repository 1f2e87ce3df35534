//! StatsD in: packets, lines, tags and numbers.

pub mod line;
pub mod number;
pub mod tags;
