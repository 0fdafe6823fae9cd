//! HTTP/1.1 for the admin address.

use std::convert::Infallible;
use std::future::ready;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot::Receiver;
use tokio::time::sleep;

use super::impatient::Impatient;
use super::pages::Pages;
use crate::model::Endpoint;
use crate::net::{Accepted, Listener};

/// How long a client may take to send the head of a request; a kept connection is closed after it too.
const HEAD: Duration = Duration::from_secs(10);
/// How long to wait when the process has no descriptor left for a client.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take nothing of its answer.
const STALL: Duration = Duration::from_secs(30);
/// What a client over the limit hears.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// The most of a request's head that is read, in bytes.
const HEAD_SIZE: usize = 16 * 1024;

/// Serves `pages` on a listener, in tasks of the running thread, until the other end of `stop` is dropped, and then
/// whoever is in the kernel's queue. Conversations that have begun go on.
///
/// # Panics
/// Outside a tokio runtime that runs local tasks.
pub async fn serve(listener: Listener, pages: Rc<Pages>, mut stop: Receiver<()>) {
    warn_when_open(&listener);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        match accepted {
            Ok(client) => begin(client, &pages),
            Err(error) => {
                tracing::debug!(%error, "cannot accept a client of the admin server");
                sleep(PAUSE).await;
            }
        }
    }
    loop {
        tokio::select! {
            biased;
            Ok(client) = listener.accept() => begin(client, &pages),
            () = ready(()) => return,
        }
    }
}

fn begin(client: Accepted, pages: &Rc<Pages>) {
    match pages.place() {
        Some(place) => drop(tokio::task::spawn_local(converse(client, pages.clone(), place))),
        None => client.dismiss(TOO_MANY),
    }
}

async fn converse(client: Accepted, pages: Rc<Pages>, _place: Rc<()>) {
    let Ok(stream) = client.adopt() else { return };
    let answer = service_fn(move |request| {
        let pages = pages.clone();
        async move { Ok::<_, Infallible>(pages.answer(&request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_SIZE);
    // A client that breaks its connection is not news.
    let _ = server.serve_connection(TokioIo::new(Impatient::new(stream, STALL)), answer).await;
}

/// Beyond loopback, strangers may read what is told here.
fn warn_when_open(listener: &Listener) {
    let Ok(Endpoint::Tcp { host, port }) = listener.endpoint() else { return };
    if !host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) {
        tracing::warn!(
            host,
            port,
            "the admin server listens beyond this machine: whoever reaches it reads the configuration and the busiest keys"
        );
    }
}
