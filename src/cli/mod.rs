//! What a person types.

use std::process::ExitCode;
mod serve;

/// Temporary: `--config FILE` only.
pub fn run() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let file = std::env::args().nth(2);
    let config = match &file {
        Some(file) => crate::config::Config::load(std::path::Path::new(file)).unwrap(),
        None => crate::config::Config::built_in(),
    };
    match serve::serve(&config, file.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ketch: {error:#}");
            ExitCode::FAILURE
        }
    }
}
