//! What runs beside the data path, on the main thread: descriptors, signals, reloads, the end of handovers, probes of
//! nodes, the sweeping of embedded stores, metrics and the admin server.
//!
//! This room must not touch a request.

mod descriptors;
mod dial;
mod exposition;
mod family;
mod handover;
mod notify;
mod probes;
mod readmission;
mod reload;
mod scope;
mod signals;
mod sweep;

pub mod admin;

pub use descriptors::raise as raise_descriptors;
pub use dial::Dial;
pub use handover::close_windows;
pub use notify::Supervisor;
pub use probes::probe_all;
pub use reload::{Cause, Last, Loaded, Outcome, Publisher, Refusal, Reloader, Report, Source, Stage};
pub use scope::Scope;
pub use signals::ended;
pub use sweep::sweep;
