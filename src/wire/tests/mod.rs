//! What the room promises, over whole streams.

mod accepted;
mod arbitrary;
mod node;
mod refused;
mod replies;
mod resp;
mod splits;

use bytes::{Buf, BytesMut};

use super::*;
use crate::model::*;

/// memcached's default `-I`.
const VALUE_SIZE: usize = 1024 * 1024;

/// All commands of `pieces`, that come one after the other.
fn commands<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Command> {
    let mut decoder = CommandDecoder::new(VALUE_SIZE);
    let mut buffer = Inbox::new();
    let mut commands = Vec::new();
    for piece in pieces {
        buffer.end().extend_from_slice(piece);
        commands.extend(std::iter::from_fn(|| decoder.decode(&mut buffer)));
    }
    commands
}

/// All replies of `pieces` to `asked`, those of a piece read one behind the other, and what spoils them.
fn replies<'a>(asked: &[Request], pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Reply>, Garbage> {
    let mut decoder = ReplyDecoder::new(VALUE_SIZE);
    let mut buffer = BytesMut::new();
    let mut replies = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut read = 0;
        while let Some(asked) = asked.get(replies.len()) {
            let Some(reply) = decoder.decode_behind(&mut read, asked, &mut buffer)? else { break };
            replies.push(reply);
        }
        buffer.advance(read);
    }
    Ok(replies)
}

/// What `out` would write.
fn written(mut out: Outbox) -> Vec<u8> {
    out.copy_to_bytes(out.len()).to_vec()
}

fn key(text: &[u8]) -> Key {
    Key::new(text).unwrap()
}
