//! The thin front of the library: see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    patterns::main(std::env::args_os())
}
