//! Promise: a key stays where the program that ketch replaces has put it.
//!
//! Every case is a list of nodes and the owners of 2,000 keys over it. The owners are asked of the real
//! program, compared with ketch's key by key, and kept in `tests/vectors/`, which a fast test reads.

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod import;
mod libmemcached;
mod nutcracker;
mod properties;
mod spymemcached;
mod vectors;

use cases::{Case, keys};

#[test]
fn nutcracker_places_every_key_where_ketch_does() {
    agree("twemproxy", &cases::twemproxy(), nutcracker::owners);
}

#[test]
fn libmemcached_places_every_key_where_ketch_does() {
    agree("libmemcached", &cases::libmemcached(), libmemcached::owners);
}

#[test]
#[ignore = "needs a JDK and libspymemcached-java; its vectors are checked without"]
fn spymemcached_places_every_key_where_ketch_does() {
    agree("spymemcached", &cases::spymemcached(), spymemcached::owners);
}

#[test]
fn ketch_gives_the_owners_in_the_vectors() {
    let all = [("twemproxy", cases::twemproxy()), ("libmemcached", cases::libmemcached())];
    for (program, cases) in all.into_iter().chain([("spymemcached", cases::spymemcached())]) {
        let keys = keys(program);
        let rows: Vec<String> = cases.iter().map(|case| vectors::row(case, &case.owners(&keys))).collect();
        vectors::compare(program, &keys, &rows);
    }
}

/// The real program and ketch agree on every key of every case, and the vectors are what the program said.
fn agree(program: &str, cases: &[Case], ask: impl Fn(&[Case], &[Vec<u8>]) -> Vec<Vec<usize>>) {
    let keys = keys(program);
    let answers = ask(cases, &keys);
    assert_eq!(answers.len(), cases.len());
    for (case, theirs) in cases.iter().zip(&answers) {
        let ours = case.owners(&keys);
        let differences = ours.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs).count();
        assert!(ours == *theirs, "{case}: {differences} of {} keys have another owner", keys.len());
    }
    let rows: Vec<String> = cases.iter().zip(&answers).map(|(case, owners)| vectors::row(case, owners)).collect();
    vectors::compare(program, &keys, &rows);
}
