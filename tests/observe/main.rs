//! What operators see is true: metrics, the admin server, the status page, dashboards and alerts.

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod cardinality;
mod metrics;
mod packaging;
mod page;
mod prometheus;
