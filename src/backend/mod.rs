//! Behind the route: what answers a request.

pub mod embedded;
