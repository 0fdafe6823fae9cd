//! The HTTP front: HTTP/1.1 and h2c beside memcached's text, on the same workers and the same way down.
//!
//! ```text
//! acceptor ──► worker ──► connection (hyper; pulse keeps time) ──► routes
//!                                                                    │ one file an operation:
//!                                                read  write  count  batch  stats  page
//!                                                                    │
//!                    caller: View::dispatch, an answer to wait for ◄─┘
//!                      (a read by `look`, which takes nothing)
//! ```
//!
//! An operation turns a request into meta commands and their replies into a response; [`problem`] has the words for
//! all that goes wrong, `openapi.json` the description of all that may be asked. This room must not know which node
//! owns a key, nor what a memcached client types.

mod batch;
mod body;
mod caller;
mod connection;
mod content;
mod count;
mod frames;
mod life;
mod look;
mod metered;
mod page;
mod precondition;
mod problem;
mod pulse;
mod query;
mod read;
mod routes;
mod stats;
mod target;
mod write;

pub(super) use connection::{Client, TOO_MANY};
