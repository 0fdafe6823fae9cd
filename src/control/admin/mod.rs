//! The admin server: `/metrics`, health, the topology, the status page, and the few things that can be done here.
//!
//! It runs on the control thread and answers from cells and snapshots: it asks no worker and no node. It must not
//! touch a request. Whoever reaches it can read the configuration and the busiest keys, so it is for loopback or a
//! network of one's own.
//!
//! ```text
//! server (sockets, time limits) ── pages (which path, which answer) ─┬─ view   what JSON tells
//!                                                                    ├─ origin who may see it
//!                                                                    ├─ events the status page's stream
//!                                                                    └─ status.html
//! ```

mod events;
mod impatient;
mod origin;
mod pages;
mod query;
mod server;
mod view;

pub use pages::Pages;
pub use server::serve;
