//! The state machine, without a node.

use std::time::Duration;

use super::*;

const TOLERANCE: Tolerance = Tolerance { eject_after: 3, readmit_after: 2 };

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn fail(health: &Health, times: u32) {
    for _ in 0..times {
        health.failed(Reason::Timeout, at(1));
    }
}

#[test]
fn a_node_is_out_after_so_many_failures_in_a_row_and_in_after_so_many_good_probes() {
    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    fail(&health, 2);
    assert_eq!(health.history().0, State::Suspect);
    health.answered(|| at(2));
    fail(&health, 2);
    assert_eq!(health.service(), Service::In);
    fail(&health, 1);
    assert_eq!((health.service(), health.history().0), (Service::Out, State::Ejected));

    assert!(!health.probe_succeeded(at(3)).0);
    assert_eq!(health.history().0, State::Probing);
    health.probe_failed(Reason::Unreachable, at(4));
    assert_eq!(health.history().0, State::Ejected);
    assert!(!health.probe_succeeded(at(5)).0);
    assert!(health.probe_succeeded(at(6)).0);
    assert_eq!(health.service(), Service::Out, "only the readmission lets it in");
    assert_eq!(health.readmit(at(7)).unwrap().state, State::Up);
    assert_eq!(health.service(), Service::In);
}

#[test]
fn probes_alone_eject_and_do_not_hide_failing_traffic() {
    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    for _ in 0..3 {
        health.probe_failed(Reason::Unreachable, at(1));
    }
    assert_eq!(health.service(), Service::Out);

    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    for _ in 0..3 {
        health.failed(Reason::Timeout, at(1));
        health.probe_succeeded(at(1));
    }
    assert_eq!(health.service(), Service::Out);
}

#[test]
fn past_max_ejected_nodes_are_held_and_their_keys_stay() {
    let quota = Quota::new(4, 0.5);
    let nodes: Vec<_> = (0..3).map(|_| Health::new(TOLERANCE, quota.clone())).collect();
    nodes.iter().for_each(|node| fail(node, 3));
    let services = || nodes.iter().map(Health::service).collect::<Vec<_>>();
    assert_eq!(services(), [Service::Out, Service::Out, Service::Held]);

    nodes[0].readmit(at(2));
    nodes[2].probe_failed(Reason::Unreachable, at(2));
    assert_eq!(services(), [Service::In, Service::Out, Service::Out]);

    let alone = Health::new(TOLERANCE, Quota::new(1, 0.5));
    fail(&alone, 3);
    assert_eq!(alone.service(), Service::Held);
    assert!(alone.probe_succeeded(at(3)).0);
}

#[test]
fn a_node_that_is_gone_leaves_its_place_among_those_that_are_out() {
    let quota = Quota::new(2, 0.5);
    let gone = Health::new(TOLERANCE, quota.clone());
    fail(&gone, 3);
    assert_eq!(gone.service(), Service::Out);
    let next = Health::new(TOLERANCE, quota.clone());
    fail(&next, 3);
    assert_eq!(next.service(), Service::Held);
    drop(gone);
    next.probe_failed(Reason::Timeout, at(2));
    assert_eq!(next.service(), Service::Out);
    let third = Health::new(TOLERANCE, quota.clone());
    quota.allow(4, 0.5);
    fail(&third, 3);
    assert_eq!(third.service(), Service::Out);
}

#[test]
fn a_node_takes_as_much_as_it_is_told_to() {
    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    fail(&health, 2);
    health.tolerate(Tolerance { eject_after: 5, ..TOLERANCE });
    fail(&health, 2);
    assert_eq!(health.service(), Service::In);
    fail(&health, 1);
    assert_eq!(health.service(), Service::Out);
}

/// Good probes until the node is to be let in; then it is.
fn come_back(health: &Health) -> u32 {
    let probes = (1..).find(|_| health.probe_succeeded(at(2)).0).unwrap();
    health.readmit(at(2));
    probes
}

#[test]
fn a_node_whose_probes_alone_are_good_comes_back_more_and_more_rarely() {
    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    let relapse = || {
        fail(&health, 3);
        assert_eq!(health.service(), Service::Out);
        let told = health.probes_to_readmit();
        assert_eq!(come_back(&health), told);
        told
    };
    let probes: Vec<_> = (0..9).map(|_| relapse()).collect();
    assert_eq!(probes, [2, 4, 8, 16, 32, 64, 128, 128, 128]);

    for _ in 0..SOUND {
        health.probe_succeeded(at(3));
    }
    fail(&health, 3);
    assert_eq!(health.probes_to_readmit(), 2, "it was well for long enough");
    come_back(&health);
    fail(&health, 3);
    assert_eq!(health.probes_to_readmit(), 4);
    health.probe_failed(Reason::Unreachable, at(4));
    assert_eq!(health.probes_to_readmit(), 2, "an outage that its probes see needs no guess");
}

#[test]
fn a_node_that_joins_is_asked_and_may_fail_again() {
    let quota = Quota::new(2, 0.5);
    let health = Health::new(TOLERANCE, quota.clone());
    for is_out_again in [false, true] {
        fail(&health, 3);
        health.join();
        assert!(health.service().is_asked() && !quota.take(), "it keeps its place until it is in");
        fail(&health, if is_out_again { 3 } else { 2 });
        let expected = if is_out_again { Service::Out } else { Service::Joining };
        assert_eq!(health.service(), expected);
        assert_eq!(health.admit(at(2)).is_some(), !is_out_again);
    }
    health.join();
    health.amends_failed(Reason::Closed, at(3));
    assert_eq!(health.service(), Service::Out, "what it was to forget could not be told");
    assert_eq!(health.probes_to_readmit(), 16, "it has relapsed three times");
    health.readmit(at(4));
    assert!(quota.take(), "its place is free");
}

#[test]
fn those_who_follow_hear_of_a_change() {
    let health = Health::new(TOLERANCE, Quota::new(4, 0.5));
    let mut changes = health.changes();
    fail(&health, 3);
    assert!(changes.has_changed().unwrap());
    assert_eq!(*changes.borrow_and_update(), Service::Out);
}

#[test]
fn a_node_that_departs_is_none_of_those_that_may_be_out() {
    let quota = Quota::new(2, 0.5);
    let (gone, stays) = (Health::new(TOLERANCE, quota.clone()), Health::new(TOLERANCE, quota.clone()));
    fail(&gone, 3);
    gone.depart();
    gone.depart();
    fail(&stays, 3);
    assert_eq!((gone.service(), stays.service()), (Service::Out, Service::Out));
    let other = Health::new(TOLERANCE, quota.clone());
    other.depart();
    fail(&other, 3);
    assert_eq!(other.service(), Service::Out);
    drop((gone, other));
    let held = Health::new(TOLERANCE, quota);
    fail(&held, 3);
    assert_eq!(held.service(), Service::Held);
}
