//! The words of the house: what a client may ask, what may be answered, and where an answer goes.
//!
//! Nothing here knows a wire format, a socket, a clock or a node. Every other room speaks in these
//! types, and these types speak of nothing above them.

mod answer;
mod endpoint;
mod key;
mod placement;
mod reply;
mod request;

pub use answer::{Receive, ReplyTo};
pub use endpoint::{Endpoint, EndpointError};
pub use key::{Key, KeyError, Keys, MAX_KEY};
pub use placement::{Compatibility, Distribution, HashKind, Placement};
pub use reply::{Failure, FailureKind, Item, Items, MetaReply, MetaStatus, Reply, Sent};
pub use request::{Arithmetic, Expiry, Meta, MetaVerb, Read, Request, Store, StoreMode};
