//! Promise: memcached clients work on Redis servers as they work on memcached.
//!
//! Every server is real. What differs on purpose is told in the table of `config/redis.yaml`.

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod clients;
mod cluster;
mod errors;
mod health;
mod interop;
mod races;
