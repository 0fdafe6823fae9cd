//! The command line: one file a subcommand, each with its arguments and a `run` that says why not.
//!
//! What people asked for goes to stdout, all else to stderr. The exit code is 0, 1 when something is wrong, 2 when the
//! command line is.

mod check;
mod client;
mod exchange;
mod explain;
mod hint;
mod import;
mod log;
mod manual;
mod plan;
mod schema;
mod serve;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::ConfigError;

/// A consistent-hashing proxy for caches.
#[derive(Debug, Parser)]
#[command(version, about, long_about = ABOUT, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    serve: serve::Args,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check a configuration file: print what it comes to, or all that is wrong with it.
    Check(check::Args),
    /// Tell where keys go: route, pool, hash, owner, and who is asked if the owner is out.
    Explain(explain::Args),
    /// Tell what another configuration would change: nodes, routes, and the share of the keys that moves.
    Plan(plan::Args),
    /// Write a configuration that puts every key where twemproxy's or libmemcached's puts it.
    Import(import::Args),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print an item of a running ketch, asked over HTTP.
    Get(client::Get),
    /// Store an item in a running ketch.
    Set(client::Set),
    /// Delete an item of a running ketch.
    Delete(client::Delete),
    /// Print the statistics of a running ketch.
    Stats(client::Stats),
    /// Print what a shell needs to complete ketch's arguments.
    Completions(manual::Completions),
    /// Print the page of the manual.
    Man,
}

const ABOUT: &str = "\
A consistent-hashing proxy for caches.

Clients speak memcached's text protocol or HTTP to ketch, and ketch sends each key to its owner in a pool of cache \
servers. Without a subcommand it serves; without --config, it serves the built-in configuration: memcached on \
127.0.0.1:11211 and HTTP on 127.0.0.1:11280, with three stores inside the process behind it. A changed file is put in \
force while it serves, and on SIGHUP. SIGTERM and SIGINT finish what was accepted and end it.";

const EXAMPLES: &str = "\
Examples:
  ketch                                          serve the built-in configuration
  ketch --config ketch.yaml                      serve a file
  ketch check ketch.yaml                         is the file right?
  ketch explain --config ketch.yaml user:42      which server has this key?
  ketch plan ketch.yaml new.yaml                 how many keys would move?
  ketch import twemproxy nutcracker.yml          the same, with every key where it is
  echo hello | ketch set greeting --ttl 60       store in a running ketch, over HTTP
  ketch get greeting                             and read it again
  ketch schema > ketch.schema.json               for an editor: # yaml-language-server: $schema=ketch.schema.json";

/// Carries out the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| hint::refuse(error));
    let done = match &arguments.command {
        None => serve::run(&arguments.serve),
        Some(Command::Check(args)) => check::run(args),
        Some(Command::Explain(args)) => explain::run(args),
        Some(Command::Plan(args)) => plan::run(args),
        Some(Command::Import(args)) => import::run(args),
        Some(Command::Schema) => schema::run(),
        Some(Command::Get(args)) => client::get(args),
        Some(Command::Set(args)) => client::set(args),
        Some(Command::Delete(args)) => client::delete(args),
        Some(Command::Stats(args)) => client::stats(args),
        Some(Command::Completions(args)) => manual::completions(args, Arguments::command()),
        Some(Command::Man) => manual::man(Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Lines about a file begin with its place, so that editors can go there; all else with the program's name.
fn complain(error: &anyhow::Error) {
    match error.downcast_ref() {
        Some(invalid @ ConfigError::Invalid { .. }) => eprintln!("{invalid}"),
        _ => eprintln!("ketch: {error:#}"),
    }
}

/// A node in words: its label, and where it is unless the label says so.
fn named(label: &str, place: Option<&str>) -> String {
    match place {
        Some(place) if place != label => format!("{label} ({place})"),
        _ => label.to_owned(),
    }
}

/// Writes to stdout. A reader that has seen enough, as `head` has, is no error.
fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }
}
