//! The other half: ketch as the client of a memcached node.

mod reply;
mod request;

pub use reply::{Garbage, ReplyDecoder};
pub use request::encode_request;
