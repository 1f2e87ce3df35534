//! The thin front of the library: see `lib.rs`.
fn main() {}
