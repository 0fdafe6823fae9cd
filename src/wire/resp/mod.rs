//! The third wire: what ketch says to a Redis server and hears from it, for the requests that memcached has.
//!
//! One request is one or more commands; [`ReplyDecoder`] counts their replies and makes one [`crate::model::Reply`]
//! of them. All of it is pure, resumable at every byte and bounded, as its neighbours are. It is RESP 2 and only the
//! part of it that these commands need, so that a multi-get goes from the socket's bytes to items in one pass: a
//! library's frames would be made for each element first, and begun again for each read of a value.
//!
//! What is stored, and what a cas token is, stands in `envelope.rs`; what a script does, in `scripts/`. Where the
//! answers differ from memcached's on purpose is told in `config/redis.yaml`.

mod element;
mod envelope;
mod expiry;
mod lease;
mod meta;
mod reply;
mod request;
mod script;

pub use element::{Element, Elements};
pub use reply::ReplyDecoder;
pub use request::{Dictation, encode_command, encode_request, is_supported, words_of};
pub use script::Script;
