//! The memcached text protocol, classic and meta: bytes to words and words to bytes.
//!
//! Both halves are here: what clients say and hear ([`CommandDecoder`], [`encode_reply`]), and what ketch says to
//! a memcached node and hears from it ([`encode_request`], [`ReplyDecoder`]). All of it is pure, resumable at
//! every byte and bounded. The oracle is memcached 1.6.18, byte for byte.
//!
//! This room knows the words of [`crate::model`] and nothing else: no socket, no clock, no ring, no node.

mod classic;
mod command;
mod decoder;
mod meta;
mod node;
mod number;
mod outbox;
mod reply;
mod word;

pub use command::{Closing, Command, Spelling};
pub use decoder::{CommandDecoder, MAX_READ_LINE};
pub use node::{Garbage, ReplyDecoder, encode_request};
pub use outbox::Outbox;
pub use reply::encode_reply;

#[cfg(test)]
mod tests;
