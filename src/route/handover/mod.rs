//! Warm handover: for a while after a change of the ring, the old owner of a key that moved still counts.
//!
//! ```text
//! read of a moved key ── as always, to the new owner ── hit ──► done
//!                              │ miss
//!                              ▼
//!              bring: does the old owner have it? ── no ──► a miss
//!                              │ yes
//!                              │  lease on the new owner (mg … N)
//!                              │  value and life from the old owner
//!                              │  fill under the lease (ms … C)
//!                              ▼
//!              the read again, to the new owner
//!
//! write or delete ── delete on the old owner, then on to the new one; then it is acknowledged
//! what depends on the item ── bring, delete on the old owner, then on the new one
//! ```
//!
//! Why no older value is read than one that was acknowledged, however many ketches do this at once on the new ring:
//! to an old owner nothing is said but deletes, so that it never has the item again once it was deleted. A fill takes
//! what it read there *after* it got its lease; a write of the new owner ends every lease that was got before. So a
//! fill that lands behind a write has got its lease behind it, and has read the old owner after the delete which came
//! before that write.
//!
//! For the same reason a window that asks old owners no more tells them of writes for a while yet: the windows of other
//! ketches may end later.
//!
//! [`Window`] is what all workers share of it; [`Detours`] is one worker's part. This room must not know who opens or
//! closes a window, nor what a client typed.

mod ask;
mod bring;
mod detours;
mod flush;
mod guard;
mod look;
mod queue;
mod sight;
mod unveil;
mod window;
mod write;

pub(super) use detours::Detours;
pub(super) use unveil::{Unveil, bare};
pub use window::{Progress, Window};
