//! Where clients are: listeners, workers, sessions.
//!
//! A client's bytes become requests here, and replies become bytes, in the client's own spelling and order.
//! This room must not know which node owns a key, nor how nodes are spoken to.

mod acceptor;
mod doors;
mod http;
mod replies;
mod session;
mod statistics;
mod worker;

pub use acceptor::Speech;
pub use doors::{CannotListen, Doors, Opening};
pub use worker::{Post, Worker};
