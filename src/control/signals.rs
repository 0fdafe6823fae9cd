//! The signals that end the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Waits for `SIGTERM` or `SIGINT`; gives its name. Cancel safe.
///
/// # Errors
/// When a handler cannot be installed.
pub async fn ended() -> io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
