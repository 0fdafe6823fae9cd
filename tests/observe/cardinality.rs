//! The number of series does not grow with what clients send.

use super::metrics::samples;
use super::support::{Ketch, Memcached, pool};

/// All commands and their outcomes, once.
const EVERYTHING: &str = "set a 0 0 1\r\nx\r\nadd a 0 0 1\r\nx\r\nget a z\r\nquit\r\n";

#[test]
fn a_million_keys_and_any_garbage_add_no_series() {
    let memcached = Memcached::start();
    let ketch = Ketch::start(&pool(&[memcached.address()], ""));
    let mut client = ketch.connect();
    client.say(EVERYTHING);
    client.rest();
    let before: Vec<String> = samples(&ketch).into_keys().collect();

    // A thousand lists of a thousand keys each.
    let mut client = ketch.connect();
    for list in 0..1000 {
        let keys: Vec<String> = (0..1000).map(|key| format!("{list}:{key}")).collect();
        client.expect(format!("get {}\r\n", keys.join(" ")), "END\r\n");
    }
    for number in 0..1000 {
        let mut client = ketch.connect();
        client.expect(format!("garbage{number} a\r\n"), "ERROR\r\n");
    }
    let after: Vec<String> = samples(&ketch).into_keys().collect();
    assert_eq!(after, before);
}
