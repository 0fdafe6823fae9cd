//! Promise: whoever configures ketch is told what is wrong, where, and what would be right.
//!
//! All of it over the program itself: errors with their places, summaries, help, the schema, the examples.

mod commands;
mod errors;
mod examples;
mod program;
mod schema;
