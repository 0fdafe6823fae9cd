//! The `ketch` program.

fn main() {}
