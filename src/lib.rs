//! ketch: a stateless consistent-hashing proxy for caches.

pub mod model;
pub mod wire;
pub mod ring;
