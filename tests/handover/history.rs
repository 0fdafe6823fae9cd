//! Whether what several clients saw of one key can have happened one after the other (Wing and Gong's search).
//!
//! The model is one memcached that never forgets by itself. But a read may miss at any time, and the item that the old
//! owner had may be lost once somebody writes: it is deleted there before the write is carried out on the new owner. A
//! value that was deleted or overwritten never comes back.

use std::collections::HashSet;
use std::fmt;
use std::time::Instant;

/// What one client did, and what it heard.
#[derive(Clone, Debug)]
pub struct Event {
    pub client: usize,
    pub begun: Instant,
    pub ended: Instant,
    pub what: What,
}

/// A command with its answer; values are told apart, so that a value stands for the write which made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A read; `None` is a miss.
    Get(Option<String>),
    Set(String),
    /// Whether there was an item.
    Delete(bool),
    /// Whether it was stored.
    Add(String, bool),
    Replace(String, bool),
    Append(String, bool),
    /// The value that was read with the token, and what was to take its place; `None` when there was no item.
    Cas(String, String, Option<bool>),
    /// What it came to.
    Incr(Option<String>),
    Touch(bool),
}

/// The events of one key, and what it had before.
pub struct History {
    pub before: Option<String>,
    pub events: Vec<Event>,
}

type State = Option<String>;

impl History {
    /// Whether there is an order of the events in which each heard the truth.
    pub fn is_sound(&self) -> bool {
        assert!(self.events.len() <= 64, "more events than fit into the search");
        let all = (1_u128 << self.events.len()) - 1;
        let mut seen = HashSet::new();
        self.search(0, all as u64, self.before.clone(), &mut seen)
    }

    fn search(&self, done: u64, all: u64, state: State, seen: &mut HashSet<(u64, State)>) -> bool {
        if done == all {
            return true;
        }
        if !seen.insert((done, state.clone())) {
            return false;
        }
        if state.is_some() && state == self.before && self.search(done, all, None, seen) {
            return true;
        }
        let open = |at: &usize| done & (1 << at) == 0;
        // What begins when another has ended comes behind that.
        let first_end = (0..self.events.len()).filter(open).map(|at| self.events[at].ended).min();
        (0..self.events.len()).filter(open).any(|at| {
            let event = &self.events[at];
            first_end.is_some_and(|end| event.begun <= end)
                && event.what.after(&state).is_some_and(|next| self.search(done | 1 << at, all, next, seen))
        })
    }
}

impl What {
    /// What is there after it, if it can have heard this when `state` was there.
    fn after(&self, state: &State) -> Option<State> {
        match self {
            Self::Get(None) => Some(state.clone()),
            Self::Get(heard) => (heard == state).then(|| state.clone()),
            Self::Set(value) => Some(Some(value.clone())),
            // An item that is on both owners may be what each of two deletes has found.
            Self::Delete(had) => (*had || state.is_none()).then_some(None),
            Self::Add(value, stored) => match (state, stored) {
                (None, true) => Some(Some(value.clone())),
                (Some(_), false) => Some(state.clone()),
                _ => None,
            },
            Self::Replace(value, stored) => match (state, stored) {
                (Some(_), true) => Some(Some(value.clone())),
                (None, false) => Some(None),
                _ => None,
            },
            Self::Append(more, stored) => match (state, stored) {
                (Some(value), true) => Some(Some(format!("{value}{more}"))),
                (None, false) => Some(None),
                _ => None,
            },
            Self::Cas(seen, value, outcome) => match (state, outcome) {
                (Some(now), Some(true)) => (now == seen).then(|| Some(value.clone())),
                (Some(now), Some(false)) => (now != seen).then(|| state.clone()),
                (None, None) => Some(None),
                // A placeholder that comes up behind all looks is an item of another token: no, in other words.
                (None, Some(false)) => Some(None),
                _ => None,
            },
            Self::Incr(heard) => match (state, heard) {
                (Some(value), Some(number)) => {
                    let sum = value.parse::<u64>().ok()?.wrapping_add(1).to_string();
                    (sum == *number).then_some(Some(sum))
                }
                (None, None) => Some(None),
                _ => None,
            },
            Self::Touch(had) => (*had == state.is_some()).then(|| state.clone()),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|event| event.begun);
        let Some(first) = events.first() else { return Ok(()) };
        writeln!(f, "before: {:?}", self.before)?;
        for event in &events {
            let (from, to) = (event.begun - first.begun, event.ended - first.begun);
            writeln!(
                f,
                "{:>6} to {:>6} µs, client {}: {:?}",
                from.as_micros(),
                to.as_micros(),
                event.client,
                event.what
            )?;
        }
        Ok(())
    }
}

/// A history of events that each take from one time to another.
fn history(before: Option<&str>, events: &[(u64, u64, What)]) -> History {
    let start = Instant::now();
    let at = |time: u64| start + std::time::Duration::from_micros(time);
    let event = |(begun, ended, what): &(u64, u64, What)| Event {
        client: 0,
        begun: at(*begun),
        ended: at(*ended),
        what: what.clone(),
    };
    History { before: before.map(str::to_owned), events: events.iter().map(event).collect() }
}

#[test]
fn the_search_finds_what_cannot_have_been() {
    let get = |value: &str| What::Get(Some(value.to_owned()));
    let set = |value: &str| What::Set(value.to_owned());
    let append = |more: &str, stored| What::Append(more.to_owned(), stored);
    for (sound, before, events) in [
        (true, Some("a"), vec![(0, 1, get("a")), (2, 3, What::Delete(true)), (4, 5, What::Get(None))]),
        (false, Some("a"), vec![(0, 1, What::Delete(true)), (2, 3, get("a"))]),
        (true, Some("a"), vec![(0, 2, What::Delete(true)), (1, 3, get("a"))]),
        (false, Some("a"), vec![(0, 1, set("b")), (2, 3, get("a"))]),
        (false, None, vec![(0, 9, set("b")), (1, 2, get("b")), (3, 4, What::Delete(false))]),
        (false, Some("a"), vec![(0, 9, set("b")), (1, 2, get("b")), (3, 4, get("a"))]),
        (false, None, vec![(0, 1, append("x", true))]),
        (false, Some("a"), vec![(0, 1, append("x", true)), (2, 3, get("a"))]),
        (true, Some("a"), vec![(0, 3, append("x", true)), (1, 4, append("y", true)), (5, 6, get("ayx"))]),
        (false, Some("a"), vec![(0, 1, append("x", true)), (2, 3, append("y", true)), (4, 5, get("ayx"))]),
        (false, Some("1"), vec![(0, 3, What::Incr(Some("2".into()))), (0, 3, What::Incr(Some("2".into())))]),
        (false, Some("a"), vec![(0, 1, set("b")), (2, 3, What::Cas("a".into(), "c".into(), Some(true)))]),
    ] {
        let history = history(before, &events);
        assert_eq!(history.is_sound(), sound, "{history}");
    }
}
