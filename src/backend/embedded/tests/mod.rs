//! The store against what a real memcached answered, and against many threads.

mod bounds;
mod classic;
mod meta;
mod newer;
mod speech;
mod threads;
