//! The order in which large bodies come in.
//!
//! A body of more than [`LARGE`] bytes is read only once there is room for all of it: until then its client is not
//! read from, and what it has sent waits in the kernel. Places go in the order of arrival. They are promises of
//! memory, not memory: what an admitted body holds is charged as it comes, and nobody else gets the room of the rest.
//!
//! - Bodies get half of the memory together, with what of them waits for nodes. When none is being read, one is
//!   admitted past that, so that one can always come to its end whatever the others hold.
//! - A body that comes too slowly while others wait loses its place, and is refused. A client that announces a body
//!   and sends nothing keeps nobody out.
//! - Nobody waits for longer than [`PATIENCE`], nor for what can never be.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Memory;

/// Larger bodies need a place: 64 KiB. Others are read at once.
pub const LARGE: usize = 64 * 1024;

/// How long a body waits for its place.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long an admitted body may be silent while others wait; less where so many wait that somebody would wait for longer
/// than half its patience if all before it were silent, but never less than [`BLINK`].
const SILENCE: Duration = Duration::from_secs(1);
const BLINK: Duration = Duration::from_millis(250);

/// The slowest that an admitted body may come while others wait, in bytes a second.
const SLOWEST: f64 = 512.0 * 1024.0;

/// How often is looked for room, and for those who are too slow, while anybody waits. Most of what is given back is
/// seen at once.
const TICK: Duration = Duration::from_millis(10);

/// The bodies of a worker.
pub(super) struct Admission {
    /// Those who wait, in the order of arrival.
    line: RefCell<VecDeque<Rc<Ticket>>>,
    /// How many they are: to be asked on the way of every read.
    waiting: Cell<usize>,
    /// Those who have their place.
    places: RefCell<Vec<Rc<Ticket>>>,
    /// What they have still to bring.
    promised: Cell<usize>,
    /// How long those who have their place may be silent, as of the last tick.
    silence: Cell<Duration>,
    ticking: Cell<bool>,
}

/// A body's place, or its turn to have one. Dropping it lets the next one in.
pub struct Place {
    memory: Rc<Memory>,
    ticket: Rc<Ticket>,
}

struct Ticket {
    /// The length of the body.
    whole: usize,
    /// How much of it is charged.
    held: Cell<usize>,
    /// How much of it is there.
    come: Cell<usize>,
    admitted: Cell<bool>,
    /// Since when it waits, or since it has its place.
    since: Cell<Instant>,
    /// When the last of it came.
    heard: Cell<Instant>,
    task: RefCell<Waker>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            line: RefCell::default(),
            waiting: Cell::new(0),
            places: RefCell::default(),
            promised: Cell::new(0),
            silence: Cell::new(SILENCE),
            ticking: Cell::new(false),
        }
    }
}

impl Admission {
    /// Whether anybody waits.
    #[inline]
    pub(super) fn is_sought(&self) -> bool {
        self.waiting.get() > 0
    }

    /// What those who have their place have still to bring.
    pub(super) fn promised(&self) -> usize {
        self.promised.get()
    }

    /// Looks how long those who have their place may be silent, so that everybody who waits has one in time.
    fn set_silence(&self, now: Instant) {
        let places = self.places.borrow().len().max(1);
        let line = self.line.borrow();
        let share = |(before, ticket): (usize, &Rc<Ticket>)| {
            let left = (ticket.since.get() + PATIENCE / 2).saturating_duration_since(now);
            left / u32::try_from(before / places + 1).unwrap_or(u32::MAX)
        };
        let least = line.iter().enumerate().map(share).min();
        self.silence.set(least.unwrap_or(SILENCE).clamp(BLINK, SILENCE));
    }

    /// Tells those whose time is over: they see for themselves, after a last look at what has come.
    fn stir(&self, now: Instant) {
        let silence = self.silence.get();
        self.places.borrow().iter().filter(|place| place.is_slow(now, silence)).for_each(|place| place.wake());
        let line = self.line.borrow();
        line.iter().take_while(|ticket| ticket.since.get() + PATIENCE <= now).for_each(|ticket| ticket.wake());
    }

    /// Gives back time in which this worker did not run: neither did perhaps the clients.
    fn pardon(&self, lost: Duration) {
        for place in &*self.places.borrow() {
            place.since.set(place.since.get() + lost);
            place.heard.set(place.heard.get() + lost);
        }
    }
}

impl Memory {
    /// Whether bodies wait for their place: then it is wiser to read little of those who have not asked for one yet.
    #[inline]
    #[must_use]
    pub fn is_sought(&self) -> bool {
        self.admission.is_sought()
    }

    /// Admits those for whom there is room now. To be called when much was given back.
    #[inline]
    pub fn look(&self) {
        if self.is_sought() {
            self.admit();
        }
    }

    fn admit(&self) {
        let admission = &self.admission;
        loop {
            let mut line = admission.line.borrow_mut();
            let Some(ticket) = line.pop_front_if(|ticket| self.has_room_for(ticket)) else { return };
            self.tell_waiting(line.len());
            drop(line);
            let now = Instant::now();
            ticket.since.set(now);
            ticket.heard.set(now);
            ticket.admitted.set(true);
            self.promise(ticket.lacks(), 0);
            ticket.wake();
            admission.places.borrow_mut().push(ticket);
        }
    }

    fn has_room_for(&self, ticket: &Ticket) -> bool {
        let (limit, half) = (self.limit.get(), self.limit.get() / 2);
        let most = match self.admission.places.borrow().is_empty() {
            true if ticket.whole > half => limit,
            true => limit / 4 * 3,
            false => half,
        };
        self.used.get() + self.admission.promised.get() + ticket.lacks() <= most
    }

    /// Promises `more`, and takes `fewer` of what was promised.
    fn promise(&self, more: usize, fewer: usize) {
        let promised = &self.admission.promised;
        promised.set((promised.get() + more).saturating_sub(fewer));
        self.set_ceiling();
    }

    fn tell_waiting(&self, waiting: usize) {
        self.admission.waiting.set(waiting);
        self.cells.waiting.set(waiting as u64);
    }

    /// Looks again and again, until nobody waits.
    async fn tick(self: Rc<Self>) {
        while self.is_sought() {
            let asleep = Instant::now();
            sleep(TICK).await;
            let now = Instant::now();
            let lost = (now - asleep).saturating_sub(TICK);
            if lost > TICK {
                self.admission.pardon(lost);
            }
            self.look();
            self.admission.set_silence(now);
            self.admission.stir(now);
        }
        self.admission.silence.set(SILENCE);
        self.admission.ticking.set(false);
    }
}

impl Place {
    /// Asks for a place for a body of `whole` bytes, of which `held` are charged already; `None` when there can never
    /// be one. To be called in a task of the worker.
    #[must_use]
    pub fn ask(memory: &Rc<Memory>, whole: usize, held: usize) -> Option<Self> {
        if whole > memory.limit.get() {
            return None;
        }
        let now = Instant::now();
        let ticket = Rc::new(Ticket {
            whole,
            held: Cell::new(held),
            come: Cell::new(0),
            admitted: Cell::new(false),
            since: Cell::new(now),
            heard: Cell::new(now),
            task: RefCell::new(Waker::noop().clone()),
        });
        let waiting = {
            let mut line = memory.admission.line.borrow_mut();
            line.push_back(ticket.clone());
            line.len()
        };
        memory.tell_waiting(waiting);
        memory.admit();
        if memory.is_sought() && !memory.admission.ticking.replace(true) {
            tokio::task::spawn_local(memory.clone().tick());
        }
        Some(Self { memory: memory.clone(), ticket })
    }

    /// Whether the body may be read.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.ticket.admitted.get()
    }

    /// `held` bytes are charged for the body now, and `come` of it are there.
    pub fn holds(&self, held: usize, come: usize) {
        let ticket = &self.ticket;
        let before = ticket.lacks();
        ticket.held.set(held);
        if ticket.admitted.get() {
            self.memory.promise(ticket.lacks(), before);
        }
        if come > ticket.come.replace(come) {
            ticket.heard.set(Instant::now());
        }
    }

    /// Whether the body is whole with `come` bytes: then nothing more is kept for it.
    #[must_use]
    pub fn is_whole(&self, come: usize) -> bool {
        let is_whole = come >= self.ticket.whole;
        if is_whole {
            self.holds(self.ticket.whole, come);
        }
        is_whole
    }

    /// Whether it is to be given up: it has waited for too long, or comes too slowly while others wait. To be asked when
    /// nothing more of it is there to be read; else `cx` is woken when it may be admitted or over.
    #[must_use]
    pub fn is_over(&self, cx: &Context<'_>) -> bool {
        self.ticket.task.borrow_mut().clone_from(cx.waker());
        let (now, admission) = (Instant::now(), &self.memory.admission);
        match self.is_admitted() {
            true => admission.is_sought() && self.ticket.is_slow(now, admission.silence.get()),
            false => self.ticket.since.get() + PATIENCE <= now,
        }
    }

    /// Waits until the body may be read; whether it may. Dropping the future keeps the turn.
    pub async fn admitted(&self) -> bool {
        poll_fn(|cx| match (self.is_over(cx), self.is_admitted()) {
            (_, true) => Poll::Ready(true),
            (true, false) => Poll::Ready(false),
            (false, false) => Poll::Pending,
        })
        .await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (memory, admission) = (&self.memory, &self.memory.admission);
        let is_other = |ticket: &Rc<Ticket>| !Rc::ptr_eq(ticket, &self.ticket);
        if self.is_admitted() {
            admission.places.borrow_mut().retain(is_other);
            memory.promise(0, self.ticket.lacks());
        } else {
            let mut line = admission.line.borrow_mut();
            line.retain(is_other);
            memory.tell_waiting(line.len());
        }
        memory.look();
    }
}

impl Ticket {
    /// What is still to be charged for it.
    fn lacks(&self) -> usize {
        self.whole.saturating_sub(self.held.get())
    }

    fn is_slow(&self, now: Instant, silence: Duration) -> bool {
        let due = Duration::from_secs_f64(self.come.get() as f64 / SLOWEST);
        now > self.heard.get() + silence || now > self.since.get() + silence + due
    }

    fn wake(&self) {
        self.task.borrow().wake_by_ref();
    }
}

#[cfg(test)]
mod tests;
