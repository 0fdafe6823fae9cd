//! What runs beside the data path, on the main thread: descriptors, signals, the sweeping of embedded stores.
//!
//! This room must not touch a request.

mod descriptors;
mod signals;
mod sweep;

pub use descriptors::raise as raise_descriptors;
pub use signals::ended;
pub use sweep::sweep;
