//! ketch: a stateless consistent-hashing proxy for caches.

pub mod config;
pub mod model;
pub mod wire;
pub mod ring;
