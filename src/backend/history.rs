//! What people are told of a node's health: its state, why it changed, and when.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How many changes a node remembers.
const MOST: usize = 20;

/// Doubts that come and go are remembered once in so long.
const DOUBT: Duration = Duration::from_secs(1);

/// What people are told of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Up,
    /// It has failed lately, and is still asked.
    Suspect,
    /// It is out, or held, and its probes fail.
    Ejected,
    /// It is out, or held, and its probes have begun to succeed.
    Probing,
}

/// Why a node changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No connection could be made.
    Unreachable,
    /// It broke a connection on which it owed an answer.
    Closed,
    /// It did not answer in time.
    Timeout,
    /// What it said is not the protocol.
    Garbage,
    /// It answered that it cannot serve now.
    Refused,
    /// It answered again.
    Answered,
    /// Enough probes in a row were good.
    Probes,
}

/// One change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: SystemTime,
    /// What the node became.
    pub state: State,
    /// Why.
    pub reason: Reason,
}

/// The state of a node, and its last changes.
#[derive(Debug)]
pub(super) struct History {
    state: State,
    changes: VecDeque<Change>,
}

impl History {
    /// Of a node of which nothing is known: it is up.
    pub(super) fn new() -> Self {
        Self { state: State::Up, changes: VecDeque::new() }
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// The changes, the newest last.
    pub(super) fn changes(&self) -> Vec<Change> {
        self.changes.iter().copied().collect()
    }

    /// Remembers a change of state; none when it is in that state already, or has doubted a moment ago.
    pub(super) fn change(&mut self, state: State, reason: Reason, at: SystemTime) -> Option<Change> {
        if self.state == state {
            return None;
        }
        self.state = state;
        let change = Change { at, state, reason };
        let passing = |state| matches!(state, State::Up | State::Suspect);
        if let [.., before, last] = self.changes.make_contiguous()
            && passing(state)
            && passing(last.state)
            && passing(before.state)
            && at.duration_since(before.at).is_ok_and(|age| age < DOUBT)
        {
            return None; // one doubt a second is enough to remember
        }
        if self.changes.len() == MOST {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
        Some(change)
    }
}

impl State {
    /// As the admin page, logs and metrics have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Ejected => "ejected",
            Self::Probing => "probing",
        }
    }
}

impl Reason {
    /// Those for which a node is put out.
    pub const OF_EJECTION: [Self; 4] = [Self::Unreachable, Self::Closed, Self::Timeout, Self::Garbage];

    /// As the admin page, logs and metrics have it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Garbage => "garbage",
            Self::Refused => "refused",
            Self::Answered => "answered",
            Self::Probes => "probes",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_changes_are_kept_and_one_doubt_a_second() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut history = History::new();
        let mut doubt = |second| {
            history.change(State::Suspect, Reason::Timeout, at(second));
            history.change(State::Up, Reason::Answered, at(second));
            history.changes().len()
        };
        assert_eq!((0..100).map(|_| doubt(1)).max(), Some(2));
        assert_eq!((2..100).map(&mut doubt).max(), Some(MOST));
        assert_eq!(history.change(State::Up, Reason::Probes, at(200)), None, "it is up already");
    }
}
