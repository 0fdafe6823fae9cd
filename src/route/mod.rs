//! The whole path of a request, once it is known which pool it belongs to:
//!
//! ```text
//! front ── Request ──► Lane::dispatch
//!                        │  while keys are handed over from another ring, one
//!                        │  that moved may take another way .................. handover
//!                        │  a multi-get of several owners is split ........... gather
//!                        │  flush_all goes to every node ..................... broadcast
//!                        ▼
//!                      Pool::seat(key): the owner, or while that is out the
//!                        │  next live node; its writes are noted ............. pool (ring)
//!                        │
//!                        │  an identical read that is unsent is joined,
//!                        │  one that is under way is waited for ............... coalesce
//!                        ▼
//!                      Calls::open ── Link::ask ──► backend ──► node
//!                                                                │
//! front ◄── Reply ── Calls::receive: counted, shared with those ◄┘
//!                    who joined, an error of a read made a miss
//! ```
//!
//! A [`Pool`] is what all workers share; a [`Lane`] is one worker's way into it. This room must not know what a
//! client typed, which key prefix led here, or what a socket is.

mod assembly;
mod broadcast;
mod calls;
mod coalesce;
mod gather;
mod handover;
mod lane;
mod pool;

pub use broadcast::Broadcast;
pub use gather::Gather;
pub use handover::{Progress, Window};
pub use lane::Lane;
pub use pool::{Ejected, Policy, Pool, Seat};
