//! What the buffers of a worker may hold together (promise 7, bounded).
//!
//! A leaf: it knows bytes, not what they are for. Whoever keeps bytes that a peer sent has a [`Charge`] and asks
//! before it keeps more; when the charge is dropped, so is what it held. A large body asks for a [`Place`] before it is
//! read, so that its client waits rather than being refused.

mod admission;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;

use self::admission::Admission;
pub use self::admission::{LARGE, Place};
use crate::metrics::WorkerCells;

/// Makes room for `room` more bytes in `buffer`; for `usual` at least, so that small ones come together.
///
/// What is larger than usual gets just its room: a large value keeps the buffer that it was read into, and what is
/// charged is the value.
///
/// An empty buffer begins at its front again, so that small reads always come to the same few cache lines.
#[inline]
pub fn make_room(buffer: &mut BytesMut, room: usize, usual: usize) {
    if buffer.is_empty() && room <= usual {
        let _ = buffer.try_reclaim(usual); // where a value that is in it is still in use, it does not
    }
    if buffer.capacity() - buffer.len() >= room {
        return;
    }
    if room <= usual {
        return buffer.reserve(usual);
    }
    let mut larger = BytesMut::with_capacity(buffer.len() + room);
    larger.extend_from_slice(buffer);
    *buffer = larger;
}

/// One worker's share of `limits.memory`.
pub struct Memory {
    limit: Cell<usize>,
    /// The limit without what is promised to bodies.
    ceiling: Cell<usize>,
    used: Cell<usize>,
    admission: Admission,
    cells: Arc<WorkerCells>,
}

/// The bytes that one holder keeps.
pub struct Charge {
    memory: Rc<Memory>,
    held: Cell<usize>,
}

impl Memory {
    /// At most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize, cells: Arc<WorkerCells>) -> Rc<Self> {
        let (ceiling, used) = (Cell::new(limit), Cell::new(0));
        Rc::new(Self { limit: Cell::new(limit), ceiling, used, admission: Admission::default(), cells })
    }

    /// From now on, at most `limit` bytes. What is held stays.
    pub fn set_limit(&self, limit: usize) {
        self.limit.set(limit);
        self.set_ceiling();
    }

    fn set_ceiling(&self) {
        self.ceiling.set(self.limit.get().saturating_sub(self.admission.promised()));
    }

    /// Whether half of it is in use: whoever has had a large share gets no more.
    #[must_use]
    pub fn is_scarce(&self) -> bool {
        self.used.get() > self.limit.get() / 2
    }

    fn set(&self, used: usize) {
        self.used.set(used);
        self.cells.buffered.set(used as u64);
    }
}

impl Charge {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(memory: &Rc<Memory>) -> Self {
        Self { memory: memory.clone(), held: Cell::new(0) }
    }

    /// Where it is counted.
    #[must_use]
    pub fn memory(&self) -> &Rc<Memory> {
        &self.memory
    }

    /// How much it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// Holds `bytes` more, if there is room; whether there was.
    #[inline]
    #[must_use]
    pub fn add(&self, bytes: usize) -> bool {
        let used = self.memory.used.get() + bytes;
        if bytes > 0 && used > self.memory.ceiling.get() {
            return false;
        }
        self.keep(bytes);
        true
    }

    /// Counts what found no room, where no pool does.
    pub fn tell(&self) {
        self.memory.cells.out_of_memory.add(1);
    }

    /// Holds `bytes` more in any case: what is here already and only changes hands.
    #[inline]
    pub fn keep(&self, bytes: usize) {
        self.memory.set(self.memory.used.get() + bytes);
        self.held.set(self.held.get() + bytes);
    }

    /// The same as [`Charge::add`] for one of many who share the memory: past `share` there is room only while memory is plenty.
    #[inline]
    #[must_use]
    pub fn add_fairly(&self, bytes: usize, share: usize) -> bool {
        if bytes == 0 {
            return true;
        }
        let greedy = self.held.get() + bytes > share && self.memory.is_scarce();
        !greedy && self.add(bytes)
    }

    /// The same as [`Charge::add`] for a body that had its [`Place`], and now goes its way: it finds the room that was
    /// kept for it, however scarce memory is. Not for smaller ones.
    #[cold]
    #[must_use]
    pub fn add_admitted(&self, bytes: usize) -> bool {
        bytes > LARGE && self.add(bytes)
    }

    /// Holds `bytes` fewer: those of a request that has its answer. Bodies that wait for room are told.
    #[inline]
    pub fn give_back(&self, bytes: usize) {
        self.free(bytes);
        if bytes > LARGE {
            self.memory.look();
        }
    }

    /// Holds `bytes` fewer.
    #[inline]
    pub fn free(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let bytes = bytes.min(self.held.get());
        self.held.set(self.held.get() - bytes);
        self.memory.set(self.memory.used.get() - bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.free(self.held.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_full_takes_no_more_until_something_is_dropped() {
        let memory = Memory::new(100, Arc::default());
        let (first, second) = (Charge::new(&memory), Charge::new(&memory));
        assert!(first.add(60) && second.add(40));
        assert!(!second.add(1) && second.add(0));
        drop(first);
        assert!(second.add(60) && !second.add(1));
        second.free(1000);
        assert_eq!(memory.cells.buffered.value(), 0);
    }

    #[test]
    fn a_new_limit_holds_for_what_comes() {
        let memory = Memory::new(100, Arc::default());
        let charge = Charge::new(&memory);
        assert!(charge.add(100));
        memory.set_limit(50);
        assert!(!charge.add(1));
        charge.free(60);
        assert!(charge.add(10) && !charge.add(1));
    }

    #[test]
    fn the_greedy_get_no_more_once_half_is_used() {
        let memory = Memory::new(100, Arc::default());
        let (greedy, modest) = (Charge::new(&memory), Charge::new(&memory));
        assert!(greedy.add_fairly(51, 10));
        assert!(!greedy.add_fairly(1, 10));
        assert!(modest.add_fairly(10, 10));
    }
}
