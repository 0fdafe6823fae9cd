//! What runs beside the data path, on the main thread: descriptors, signals, reloads, probes of nodes,
//! the sweeping of embedded stores.
//!
//! This room must not touch a request.

mod descriptors;
mod probes;
mod readmission;
mod reload;
mod signals;
mod sweep;

pub use descriptors::raise as raise_descriptors;
pub use probes::probe_all;
pub use reload::{Cause, Last, Loaded, Outcome, Publisher, Refusal, Reloader, Report, Source, Stage};
pub use signals::ended;
pub use sweep::sweep;
