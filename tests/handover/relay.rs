//! A line to a server on which bytes are late, so that two ketches come to it in any order.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use super::support::seed;

/// Passes on what comes, each time after up to so many microseconds; half of the times at once.
const LATE: u64 = 3_000;

/// Listens on a port of its own for as long as the process lives.
pub fn relay(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut seeds = seed()..;
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(to) else { continue };
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                to.set_nodelay(true).unwrap();
                let random = fastrand::Rng::with_seed(seeds.next().unwrap_or_default());
                std::thread::spawn(move || pass_on(from, to, random));
            }
        }
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mut random: fastrand::Rng) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        if random.bool() {
            std::thread::sleep(Duration::from_micros(random.u64(0..LATE)));
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
