//! Which member of a pool owns a key, and who is next when the owner is out: arithmetic only.
//!
//! A key becomes a number ([`Ring::hash`]), the number an index into the member list ([`Ring::owner`]), and, when
//! that member is out, the number gives everyone else in an order of its own ([`Ring::walk`]). A ring never
//! changes; a change of membership makes a new one, while health only masks members on the walk. Nothing here
//! knows an address, a clock, a connection or a node's health.
//!
//! | file | what it has |
//! |---|---|
//! | `owners` | the door: [`Ring`], its errors, and the choice of the algorithm |
//! | `label` | the string that stands for a node in its points, as each program writes it |
//! | `subject` | the part of a key that is hashed |
//! | `hash/` | key hashes, one file an algorithm |
//! | `ketama` | points on a circle |
//! | `slots` | a list with repeats, for modula and jump |
//! | `rendezvous` | highest random weight; also the order behind the owner for modula and jump |
//! | `cluster` | the slots of a Redis Cluster, which places the keys itself |
//! | `moves` | what share of the keys goes from whom to whom under another ring |
//! | `seen` | a small set of members |

mod cluster;
mod hash;
mod ketama;
mod label;
mod moves;
mod owners;
mod rendezvous;
mod seen;
mod slots;
mod subject;

pub use cluster::{SLOTS, slot};
pub use hash::digest;
pub use label::label;
pub use moves::Moves;
pub use owners::{Member, Ring, RingError};
