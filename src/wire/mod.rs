//! The memcached text protocol, classic and meta: bytes to words and words to bytes.
//!
//! Both halves are here: what clients say and hear ([`CommandDecoder`], [`encode_reply`]), and what ketch says to
//! a memcached node and hears from it ([`encode_request`], [`ReplyDecoder`]). All of it is pure, resumable at
//! every byte and bounded. The oracle is memcached 1.6.18, byte for byte.
//!
//! Where it differs from the oracle, on purpose:
//!
//! - memcached forgets replies that it has not sent yet when a later read names a key that is too long. ketch sends
//!   them.
//! - `ma` with `q` that creates its item is answered by memcached; behind a node the two cases look alike, so that
//!   ketch hides both.
//! - A `get` line ends at [`MAX_READ_LINE`]; flags of more than 1,024 bytes (numbers with hundreds of zeros) are
//!   `CLIENT_ERROR bad command line format`.
//! - Commands that would watch or change one server are `ERROR`.
//!
//! Like memcached, it takes a line of any length whose end arrives with it, and closes on one that waits for its end
//! past 2,048 bytes: what is seen there depends on how the bytes arrive.
//!
//! This room knows the words of [`crate::model`] and nothing else: no socket, no clock, no ring, no node.

mod classic;
mod command;
mod cut;
mod decoder;
mod found;
mod inbox;
mod meta;
mod node;
mod number;
mod outbox;
mod reply;
pub mod resp;
mod word;

pub use command::{Closing, Command, Spelling};
pub use decoder::{CommandDecoder, MAX_READ_LINE};
pub use inbox::Inbox;
pub use meta::AnswerLine;
pub use node::{Garbage, ReplyDecoder, encode_request};
pub use outbox::Outbox;
pub use reply::encode_reply;

#[cfg(test)]
mod tests;
