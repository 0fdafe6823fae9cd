//! Many clients read, change and write one item under `If-Match`: none overwrites what another wrote.

use crate::{Served, over_every_pool};

const CLIENTS: u64 = 50;
const CHANGES: u64 = 10;

over_every_pool! {
    no_update_is_lost,
}

pub fn no_update_is_lost(served: &Served) {
    assert_eq!(served.browser().put("/v1/keys/sum", "0").status, 204);
    let refused: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || add(served, client))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let sum: u64 = (0..CLIENTS).map(|client| client * CHANGES).sum();
    assert_eq!(served.browser().get("/v1/keys/sum").text(), sum.to_string());
    assert!(refused > 0, "the clients were never in each other's way");
}

/// Adds the client's number so many times; how often it was too late.
fn add(served: &Served, client: u64) -> u64 {
    let mut browser = served.browser();
    let (mut done, mut refused) = (0, 0);
    while done < CHANGES {
        let read = browser.get("/v1/keys/sum");
        let sum = read.text().parse::<u64>().unwrap() + client;
        let condition = format!("If-Match: {}", read.etag());
        match browser.ask("PUT", "/v1/keys/sum", &[&condition], sum.to_string().as_bytes()).status {
            204 => done += 1,
            412 => refused += 1,
            status => panic!("{status}"),
        }
    }
    refused
}
