//! The other half: ketch as the client of a memcached node.

mod echo;
mod line;
mod reply;
mod request;

pub use reply::ReplyDecoder;
pub use request::encode_request;

/// What the node said is no answer to what was asked: the connection has lost step and must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node sent {0}")]
pub struct Garbage(pub &'static str);
