//! One HTTP client, from its first byte to its last.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::Builder;

use super::caller::Caller;
use super::content::Content;
use super::metered::Metered;
use super::pulse::{Pulse, Watch};
use super::routes;
use crate::front::worker::{Close, Entrance, Station};
use crate::net::Stream;

/// What a client over the limit hears.
pub(in crate::front) const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The most bytes of one request's headers, and about what hyper buffers of a response.
const BUFFER: usize = 64 * 1024;
/// Requests of one h2c client at a time.
const STREAMS: u32 = 128;
/// What an h2c client may send of bodies that are not read yet, since they wait for their place: of one, and of all
/// together. hyper holds it, beside `limits.memory`; four that wait leave the rest of the client's bodies no window.
const WINDOW: u32 = 64 * 1024;
const WINDOWS: u32 = 4 * WINDOW;

/// The way to a client's connection for whoever ends it.
#[derive(Default)]
pub(in crate::front) struct Client {
    closing: Cell<bool>,
    task: RefCell<Option<Waker>>,
}

impl Client {
    /// Serves the client until it leaves, is too slow, or is to go. Dropping the future closes the connection; what was
    /// asked of nodes goes on.
    pub(in crate::front) async fn serve(self: Rc<Self>, station: Rc<Station>, stream: Stream, entrance: Entrance) {
        let pulse = Pulse::start();
        let io = TokioIo::new(Metered::new(stream, pulse.clone(), entrance.cells.clone()));
        let mut watch = Watch::new(pulse.clone());
        let service = service_fn(|request| answer(&station, entrance.number, &pulse, request));
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut told = false;
        poll_fn(|cx| {
            if self.is_closing(cx) && !std::mem::replace(&mut told, true) {
                connection.as_mut().graceful_shutdown();
            }
            // A client that breaks its connection is not news.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            watch.poll(cx, station.limits().client_idle)
        })
        .await;
    }

    fn is_closing(&self, cx: &Context<'_>) -> bool {
        match &mut *self.task.borrow_mut() {
            Some(task) => task.clone_from(cx.waker()),
            task => *task = Some(cx.waker().clone()),
        }
        self.closing.get()
    }
}

impl Close for Client {
    fn close(&self) {
        self.closing.set(true);
        self.allow(0);
    }

    /// What an answer may hold is looked at when it comes; how long the client may be silent, now.
    fn allow(&self, _: usize) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }
}

fn builder() -> Builder<Local> {
    let mut builder = Builder::new(Local);
    // A client that has said all it has to say still hears its answers.
    builder.http1().half_close(true).max_buf_size(BUFFER).header_read_timeout(None);
    let mut http2 = builder.http2();
    http2.max_concurrent_streams(STREAMS).max_send_buf_size(BUFFER);
    http2.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOWS);
    builder
}

fn answer(
    station: &Rc<Station>,
    listener: u8,
    pulse: &Rc<Pulse>,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Content>, Infallible>> + use<> {
    let (open, pulse) = (pulse.request(), pulse.clone());
    let caller = Caller::new(station, listener);
    async move {
        let response = match routes::respond(caller, request).await {
            Ok(response) => response,
            Err(problem) => {
                if problem.closes() {
                    pulse.leave_unread();
                }
                problem.into_response()
            }
        };
        let response = response.map(|content| content.on(&pulse));
        drop(open);
        Ok(response)
    }
}

/// Runs the requests of an h2c connection on its worker.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}
