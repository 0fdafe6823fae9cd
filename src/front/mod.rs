//! Where clients are: listeners, workers, sessions.
//!
//! A client's bytes become requests here, and replies become bytes, in the client's own spelling and order.
//! This room must not know which node owns a key, nor how nodes are spoken to.

mod acceptor;
mod due;
mod http;
mod idle;
mod outlet;
mod replies;
mod session;
mod sockets;
mod statistics;
mod worker;

pub use acceptor::{Acceptor, Speech};
pub use worker::{Post, Worker};
