//! Makes a failing case as short as it can be.

use super::case::{Case, Command, Cuts, Ending, Word};

/// How many cases may be tried on the way.
const TRIES: usize = 600;

/// The shortest case found that still `fails`.
pub fn shrink(mut case: Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut tries = TRIES;
    let mut attempt = |candidate: Case, case: &mut Case| {
        if tries == 0 || !candidate.bursts.iter().any(|burst| !burst.commands.is_empty()) {
            return false;
        }
        tries -= 1;
        let shorter = fails(&candidate);
        if shorter {
            *case = candidate;
        }
        shorter
    };
    loop {
        let before = weight(&case);
        drop_bursts(&mut case, &mut attempt);
        drop_commands(&mut case, &mut attempt);
        simplify_cuts(&mut case, &mut attempt);
        shorten_commands(&mut case, &mut attempt);
        if weight(&case) == before {
            return case;
        }
    }
}

type Attempt<'a> = dyn FnMut(Case, &mut Case) -> bool + 'a;

/// What shrinking makes smaller.
fn weight(case: &Case) -> usize {
    let commands = case.bursts.iter().flat_map(|burst| &burst.commands);
    let bytes: usize = commands
        .map(|command| {
            let mut bytes = Vec::new();
            command.render(&[], &mut bytes);
            bytes.len() + 1
        })
        .sum();
    bytes + case.bursts.len() + usize::from(case.cuts != Cuts::Nowhere)
}

fn drop_bursts(case: &mut Case, attempt: &mut Attempt<'_>) {
    for at in (0..case.bursts.len()).rev() {
        let mut candidate = case.clone();
        candidate.bursts.remove(at);
        if !attempt(candidate, case) && at > 0 {
            // What was said in two goes may fail in one as well; the ending is that of the second.
            let mut candidate = case.clone();
            let second = candidate.bursts.remove(at);
            candidate.bursts[at - 1].commands.extend(second.commands);
            candidate.bursts[at - 1].ending = second.ending;
            attempt(candidate, case);
        }
    }
}

fn drop_commands(case: &mut Case, attempt: &mut Attempt<'_>) {
    for burst in (0..case.bursts.len()).rev() {
        let mut size = case.bursts[burst].commands.len().div_ceil(2);
        while size > 0 {
            let mut at = case.bursts[burst].commands.len();
            while at > 0 {
                let from = at.saturating_sub(size);
                let mut candidate = case.clone();
                candidate.bursts[burst].commands.drain(from..at);
                attempt(candidate, case);
                at = from.min(case.bursts[burst].commands.len());
            }
            size /= 2;
        }
    }
}

fn simplify_cuts(case: &mut Case, attempt: &mut Attempt<'_>) {
    for cuts in [Cuts::Nowhere, Cuts::EveryByte] {
        if case.cuts == cuts || attempt(Case { cuts, ..case.clone() }, case) {
            return;
        }
    }
}

fn shorten_commands(case: &mut Case, attempt: &mut Attempt<'_>) {
    for burst in 0..case.bursts.len() {
        for at in 0..case.bursts[burst].commands.len() {
            let framed = case.bursts[burst].ending == Ending::Barrier;
            while shorter(&case.bursts[burst].commands[at], framed).into_iter().any(|command| {
                let mut candidate = case.clone();
                candidate.bursts[burst].commands[at] = command;
                attempt(candidate, case)
            }) {}
        }
    }
}

/// The command with a word, half its value or some bytes less. Framed ones stay framed.
fn shorter(command: &Command, framed: bool) -> Vec<Command> {
    let mut shorter = Vec::new();
    let fixed = match (&command.words[0], &command.body) {
        (_, None) => 1,
        (Word::Bytes(verb), Some(_)) if verb == b"ms" => 3,
        (_, Some(_)) => usize::MAX,
    };
    for at in (fixed.min(command.words.len())..command.words.len()).rev() {
        let mut candidate = command.clone();
        candidate.words.remove(at);
        shorter.push(candidate);
    }
    if let Some(body) = command.body.as_ref().filter(|body| !body.is_empty()) {
        for length in [0, 1, body.len() / 2, body.len() - 1] {
            if length < body.len() {
                shorter.push(Command { body: Some(body[..length].to_vec()), ..command.clone() });
            }
        }
    }
    if let (false, [Word::Bytes(bytes)]) = (framed, &command.words[..]) {
        for size in [bytes.len() / 2, bytes.len() / 8, 1] {
            for at in (0..bytes.len()).step_by(size.max(1)).take(64) {
                let kept = [&bytes[..at], &bytes[(at + size).min(bytes.len())..]].concat();
                if kept.len() < bytes.len() {
                    shorter.push(Command { words: vec![Word::Bytes(kept)], ..command.clone() });
                }
            }
        }
    }
    shorter
}
