//! Says a case to one server and writes down what comes back.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::case::{AT_BARRIER, Case, Cuts, Ending, FILLER, FILLERS, PREFIX, rename};
use super::exceptions;

/// What one server answered to one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The bytes that came back, one entry a burst that was said, with the keys of the case itself.
    pub bursts: Vec<Vec<u8>>,
    /// How the last of them ended.
    pub end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// Every burst was answered to its end.
    #[default]
    Answered,
    /// The server closed although the client had not.
    Closed,
    /// Nothing came for [`SILENCE`] although something was owed. Always a fault, of the case or of a server.
    Silent,
}

/// How long a server may think; nothing but a fault ever waits so long, on a machine that is busy with other things too.
pub const SILENCE: Duration = Duration::from_secs(20);

/// Says `case` under `prefix` to the server at `address`.
pub fn drive(address: SocketAddr, case: &Case, prefix: &[u8; PREFIX]) -> Transcript {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address} does not listen: {error}"));
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    stream.set_write_timeout(Some(SILENCE)).unwrap();
    let mut transcript = Transcript::default();
    let mut heard = Vec::new();
    for (number, burst) in case.bursts.iter().enumerate() {
        let bytes = burst.render(&case.prefix, prefix, &heard);
        let alive = say(&mut stream, &bytes, case.cuts, number);
        let (mut answer, end) = match burst.ending {
            Ending::Barrier => hear(&mut stream, |answer| answer.ends_with(AT_BARRIER)),
            Ending::Filler => {
                if alive {
                    // A server that has closed already does not take it.
                    let _ = stream.write_all(&FILLER.repeat(FILLERS));
                }
                let _ = stream.shutdown(Shutdown::Write);
                up_to_the_close(&mut stream)
            }
            Ending::Close => up_to_the_close(&mut stream),
        };
        heard.extend(exceptions::cas_tokens(&answer));
        rename(&mut answer, prefix, &case.prefix);
        transcript.bursts.push(answer);
        transcript.end = end;
        if end != End::Answered {
            break;
        }
    }
    transcript
}

fn up_to_the_close(stream: &mut TcpStream) -> (Vec<u8>, End) {
    match hear(stream, |_| false) {
        (answer, End::Closed) => (answer, End::Answered),
        silent => silent,
    }
}

/// Writes `bytes` in pieces; false when the server would not take them.
fn say(stream: &mut TcpStream, bytes: &[u8], cuts: Cuts, number: usize) -> bool {
    let mut rest = bytes;
    let mut random = fastrand::Rng::with_seed(match cuts {
        Cuts::Random(seed) => seed.wrapping_add(number as u64),
        Cuts::Nowhere | Cuts::EveryByte | Cuts::At(_) => 0,
    });
    while !rest.is_empty() {
        let length = match cuts {
            Cuts::Nowhere => rest.len(),
            Cuts::EveryByte => 1,
            Cuts::At(at) if number == 0 && rest.len() == bytes.len() => at.clamp(1, rest.len()),
            Cuts::At(_) => rest.len(),
            Cuts::Random(_) => {
                let most = 1 << random.usize(0..12);
                random.usize(1..=rest.len().min(most))
            }
        };
        if stream.write_all(&rest[..length]).is_err() {
            return false;
        }
        rest = &rest[length..];
        // Most cuts may be joined again by the kernel; some are made sure of.
        let sure = matches!(cuts, Cuts::At(_)) || matches!(cuts, Cuts::Random(_)) && random.u8(..) < 8;
        if sure && !rest.is_empty() {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    true
}

/// Reads until `done` or the end of the stream.
fn hear(stream: &mut TcpStream, done: impl Fn(&[u8]) -> bool) -> (Vec<u8>, End) {
    let mut answer = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return (answer, End::Closed),
            Ok(length) => answer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (answer, End::Silent);
            }
            // A server that closes with bytes unread resets the connection; what it had answered was read before.
            Err(_) => return (answer, End::Closed),
        }
        if done(&answer) {
            return (answer, End::Answered);
        }
    }
}
