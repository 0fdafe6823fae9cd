//! What the user typed becomes what is valid: two structs, one conversion.
//!
//! ```text
//! text ── tree ──► shape (keys known, none twice) ──► typed ── convert ──► Config
//!           │        held against the schema            │
//!           └── places, when something is wrong ────────┘
//! ```
//!
//! All that is wrong is told at once, each line with file, line, column, field, and what would be right. The room
//! knows no socket and no ring: it does not look names up, open anything but the file, or ask whether a server is
//! there.

mod convert;
mod media_type;
mod node;
mod pool;
mod problem;
mod schema;
mod setting;
mod shape;
mod show;
mod tree;
mod typed;
mod valid;
mod words;

pub use media_type::is_media_type;
pub use problem::{ConfigError, Problem};
pub use schema::schema;
pub use setting::{duration, size};
pub use valid::{
    Config, Health, Limits, Listeners, NodeConfig, OnEjected, Password, PoolConfig, Protocol, Readmit, ReadsFrom,
    ReadsOnError, Redis, Route,
};
pub use words::{Word, counted};

#[cfg(test)]
mod tests;
