//! ketch: a stateless consistent-hashing proxy for caches.
//!
//! The house has floors; imports point down only, and rooms on one floor do not import each other
//! (`tests/floors.rs` holds them):
//!
//! ```text
//! cli                what a person types: serve, check, explain, plan, import, schema
//! front   control    clients and their sessions; signals, probes, reload
//! topology           which pool a key belongs to
//! route              a request's way to its owner and back
//! backend            nodes, their connections, embedded stores
//! wire  ring  config  net    bytes; placement; what the user typed; sockets
//! model              requests, replies, keys
//! ```
//!
//! `metrics` and `memory` are leaves that model, wire, ring and config may not use.
//!
//! # Life of a request
//!
//! ```text
//! client bytes ──► front ──► topology ──► route ──► backend ──► server
//!                    │          │           │          │
//!              decode │     which pool   which owner,  │ pipelined, in order,
//!              encode │                  joined        │ one connection a (worker, node)
//!            in order ▼                                ▼
//! client bytes ◄── front ◄──────────────── reply ◄── decode ◄── server
//! ```
//!
//! Each worker is one thread with its own clients, connections, merge table and counters: a
//! [`model::Request`] goes down and a [`model::Reply`] comes back without a lock.

// What a peer sent may be anything: the program answers it, tests may say what they expect.
#![warn(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod backend;
pub mod cli;
pub mod config;
pub mod control;
pub mod front;
pub mod memory;
pub mod metrics;
pub mod model;
pub mod net;
pub mod ring;
pub mod route;
pub mod topology;
pub mod wire;
