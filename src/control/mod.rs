//! What runs beside the data path, on the main thread: descriptors, signals, probes of nodes,
//! the sweeping of embedded stores.
//!
//! This room must not touch a request.

mod descriptors;
mod probes;
mod readmission;
mod signals;
mod sweep;

pub use descriptors::raise as raise_descriptors;
pub use probes::probe_all;
pub use signals::ended;
pub use sweep::sweep;
