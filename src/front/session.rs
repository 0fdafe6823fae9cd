//! One memcached client: what it says is read, understood and asked here. The answers leave by its [`Outlet`].
//!
//! The bytes of a turn are read into and written from buffers of the worker's; only what is left over stays: half a command
//! with the session, what the socket did not take with the outlet. So an idle client costs no buffer.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use mio::event::Event;
use tokio::time::{Instant, Sleep, sleep_until};

use super::idle::Idle;
use super::outlet::{Attention, Outlet};
use super::statistics::statistics;
use super::worker::{Entrance, Station};
use crate::memory::{LARGE, Place};
use crate::topology::View;
use crate::wire::{Closing, Command, CommandDecoder, Inbox, Outbox};

/// Room for one read.
const CHUNK: usize = 64 * 1024;
/// Room for one while others wait to have their large values read: what comes may be the beginning of one more.
const SIP: usize = 16 * 1024;
/// The most room made at once for a large value; more is made as its bytes arrive.
const GROWTH: usize = 256 * 1024;
/// Room for so many times what has come of a value is made at once: it need not be moved again.
const TRUST: usize = 16;
/// From this size on, a value is read into a buffer of just its size and takes that along: it is not copied. One that comes
/// in a single read does so if the client's value before it was as large.
const LUGGAGE: usize = 16 * 1024;
/// Room for the line before it.
const LINE: usize = 512;
/// The most requests of one client that wait for nodes; past it, it is not read from.
const PIPELINE: usize = 1024;
/// How many reads of one client come before the others have their turn.
const TURN: usize = 4;
/// How long, when ketch ends, a client that goes on asking has to take the last of what it was told; and after how much
/// silence it is taken to have stopped.
const LINGER: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_millis(100);

/// A client and what it has said.
pub(super) struct Session {
    station: Rc<Station>,
    entrance: Entrance,
    decoder: CommandDecoder,
    outlet: Rc<Outlet>,
    /// Half a command.
    input: Inbox,
    /// How large the value was that came last, or 0.
    usual: usize,
    /// How much of the charge is for `input`.
    held: usize,
    /// The turn of the large value that `input` has the beginning of.
    place: Option<Place>,
    /// Nothing more is read: the client has ended its side, or is to be closed.
    ended: bool,
    /// `input` may hold whole commands, which wait until the client takes replies.
    paused: bool,
    idle: Option<Box<Idle>>,
    /// Everything was said; how long the client has to take it.
    lingers: Option<Box<(Instant, Pin<Box<Sleep>>)>>,
    /// The client has left.
    is_over: bool,
}

impl Session {
    pub(super) fn new(station: Rc<Station>, outlet: Rc<Outlet>, entrance: Entrance) -> Self {
        let limits = station.limits();
        let idle = limits.client_idle.map(|limit| Box::new(Idle::new(limit, None)));
        let decoder = CommandDecoder::new(limits.value_size);
        let (input, usual, held, place) = (Inbox::new(), 0, 0, None);
        let (ended, paused, lingers, is_over) = (false, false, None, false);
        Self { station, entrance, decoder, outlet, input, usual, held, place, ended, paused, idle, lingers, is_over }
    }

    /// Serves the client until it leaves, beside what [`Self::hear`] does. Dropping the future closes the connection; what
    /// was asked goes on.
    pub(super) async fn run(session: Rc<RefCell<Self>>) {
        // A client that breaks its connection is not news.
        let _ = poll_fn(|cx| session.borrow_mut().poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        self.outlet.know(cx);
        self.work(cx)
    }

    /// The kernel has told of the client: does outside of the session's task what that would do.
    #[inline]
    pub(super) fn hear(&mut self, event: &Event) {
        if self.is_over || !self.outlet.hear(event) {
            return;
        }
        let outlet = self.outlet.clone();
        self.is_over = outlet.act(|cx| self.work(cx)).is_ready();
        if self.is_over {
            outlet.stir(); // the task ends, and the connection with it
        }
    }

    /// A session that panics has ended: the others are none the worse.
    fn work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let station = self.station.clone();
        let (input, output) = (&mut *station.desk.borrow_mut(), &mut *station.due.desk.borrow_mut());
        self.outlet.begin();
        let turn = catch_unwind(AssertUnwindSafe(|| self.turn(input, output, cx)));
        self.outlet.wait(self.attention());
        turn.unwrap_or_else(|_| {
            (*input, *output) = (Inbox::new(), Outbox::new()); // what it has left there is nobody else's
            Poll::Ready(Ok(()))
        })
    }

    fn attention(&self) -> Attention {
        if !self.outlet.is_empty() {
            Attention::Writing
        } else if self.ended || self.paused || self.is_full() {
            Attention::Watching
        } else {
            Attention::Reading
        }
    }

    fn turn(&mut self, input: &mut Inbox, output: &mut Outbox, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.ended && self.outlet.is_closing() {
            self.ended = true;
            self.hold();
        }
        for _ in 0..TURN {
            let blocked = self.outlet.write(output)?.is_pending();
            if blocked || self.is_full() {
                return self.wait(cx);
            }
            if self.paused {
                self.ask();
                self.hold();
                continue;
            }
            if self.ended {
                return self.rest(cx);
            }
            if self.is_to_wait() || self.read(input)?.is_pending() {
                return self.wait(cx);
            }
        }
        cx.waker().wake_by_ref(); // more may have come, but it is the others' turn
        self.rest(cx)
    }

    /// Waits for the client, or for the turn of its value; if that is over, the value is refused.
    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.place.as_ref().is_some_and(|place| place.is_over(cx)) {
            self.abandon();
            cx.waker().wake_by_ref(); // there is something to say
        }
        self.rest(cx)
    }

    /// Whether the client is not read from before there is room for its value.
    #[inline]
    fn is_to_wait(&self) -> bool {
        self.place.as_ref().is_some_and(|place| !place.is_admitted())
    }

    /// Ends the session when there is nothing left to do, else waits.
    fn rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ended && !self.paused && self.outlet.replies.owed() == 0 && self.outlet.is_empty() {
            return self.leave(cx);
        }
        if self.is_to_wait() {
            self.idle.iter_mut().for_each(|idle| idle.hear()); // it is not the client that is silent
            return Poll::Pending;
        }
        let limit = self.station.limits().client_idle;
        if self.idle.as_ref().map(|idle| idle.limit()) != limit {
            self.idle = limit.map(|limit| Box::new(Idle::new(limit, self.idle.as_deref())));
        }
        let Self { idle: Some(idle), outlet, .. } = self else { return Poll::Pending };
        idle.poll(cx, || outlet.has_drained() || outlet.is_empty() && outlet.replies.owed() > 0)
    }

    /// Ends at once, unless it is ketch that ends and the client may go on asking: to close in the face of that would have
    /// the kernel drop what the client has not taken yet.
    fn leave(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outlet.is_closing() {
            return Poll::Ready(Ok(()));
        }
        if self.lingers.is_none() {
            self.outlet.shut()?;
        }
        let begin = Instant::now();
        let lingers = || Box::new((begin + LINGER, Box::pin(sleep_until(begin + QUIET))));
        let (end, alarm) = &mut **self.lingers.get_or_insert_with(lingers);
        let mut unheard = Inbox::new();
        for _ in 0..TURN {
            if alarm.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            unheard.clear();
            unheard.make_room(SIP, SIP);
            if ready!(self.outlet.read(&mut unheard, SIP)?) == 0 {
                return Poll::Ready(Ok(()));
            }
            alarm.as_mut().reset((Instant::now() + QUIET).min(*end));
        }
        cx.waker().wake_by_ref(); // it may go on for ever, but it is the others' turn
        Poll::Pending
    }

    /// Whether the client has so much to come that it is not read from.
    fn is_full(&self) -> bool {
        self.outlet.replies.are_full(PIPELINE)
    }

    /// Reads once, and asks all that was read. Pending when nothing has come.
    fn read(&mut self, desk: &mut Inbox) -> io::Result<Poll<()>> {
        if !self.outlet.is_readable() {
            return Ok(Poll::Pending);
        }
        let own = self.own_room();
        match own {
            Some((room, usual)) => self.input.make_room(room, usual),
            None => self.borrow(desk),
        }
        let sips = self.place.is_none() && self.station.memory().is_sought();
        let read = self.outlet.read(&mut self.input, if sips { SIP } else { usize::MAX });
        match read {
            Ok(Poll::Ready(0)) => self.ended = true,
            Ok(Poll::Ready(_)) => self.heard(),
            Ok(Poll::Pending) | Err(_) => {}
        }
        match own {
            Some(_) => self.tighten(),
            None => self.give_back(desk),
        }
        self.hold();
        read.map(|read| read.map(drop))
    }

    /// The room that what comes is to have in a buffer of the client's own, and how much it has usually; `None` for what is
    /// small.
    fn own_room(&self) -> Option<(usize, usize)> {
        let (len, wanted) = (self.input.len(), self.decoder.wanted());
        let most = if self.place.is_some() { GROWTH.max(TRUST * len) } else { CHUNK };
        match len + wanted {
            0 if (LUGGAGE..=CHUNK - LINE).contains(&self.usual) => Some((self.usual + LINE, 0)),
            0..LUGGAGE => None,
            _ if wanted == 0 => Some((CHUNK / 4, CHUNK)), // a long line
            _ => Some((wanted.min(most), 0)),
        }
    }

    fn heard(&mut self) {
        self.idle.iter_mut().for_each(|idle| idle.hear());
        self.ask();
    }

    /// Asks all that was read, as far as the client takes the replies.
    fn ask(&mut self) {
        self.paused = false;
        let len = self.input.len();
        let _last = self.place.take_if(|place| place.is_whole(len)); // kept until the value is charged where it goes
        let view = self.station.view(); // one look for all that came together
        self.decoder.allow(view.topology().config().limits.value_size);
        if self.held > 0 {
            self.outlet.replies.charge().free(std::mem::take(&mut self.held));
        }
        while let Some(command) = self.decoder.decode(&mut self.input) {
            self.carry_out(command, &view);
            if self.is_full() {
                self.paused = true;
                return;
            }
        }
    }

    /// Reads into the worker's buffer, behind the half command that is here.
    #[inline]
    fn borrow(&mut self, desk: &mut Inbox) {
        desk.make_room(self.input.len() + CHUNK / 4, CHUNK);
        desk.end().extend_from_slice(&self.input);
        self.input.clear(); // it may stay in the desk's place
        std::mem::swap(&mut self.input, desk);
    }

    /// Returns the worker's buffer; half a command moves to one of its own.
    fn give_back(&mut self, desk: &mut Inbox) {
        let rest = match self.input.len() {
            0 => Inbox::new(),
            len if len < CHUNK / 2 => Inbox::from(&self.input[..]),
            _ => return, // so much of it that a new one for the worker costs less
        };
        *desk = std::mem::replace(&mut self.input, rest);
        desk.clear();
    }

    /// What is left of its own buffer's load, and will not fill half of it, moves to one of just its size.
    fn tighten(&mut self) {
        if self.input.capacity() > 2 * (self.input.len() + self.decoder.wanted()) {
            self.input = Inbox::from(&self.input[..]);
        }
    }

    /// Charges the client for the bytes that stay with it.
    #[inline]
    fn hold(&mut self) {
        if self.place.is_none() {
            if self.input.capacity() == self.held {
                return;
            }
            if self.input.is_empty() {
                self.input = Inbox::new();
            }
        }
        self.hold_more();
    }

    /// Past a chunk there is room for what is no large value only while memory is plenty. A large value waits for its
    /// place; one for which there can be none is refused, and swallowed as it comes.
    fn hold_more(&mut self) {
        let _last = if self.ended && !self.paused { self.forgo() } else { None };
        let (size, len) = (self.input.capacity(), self.input.len());
        let charge = self.outlet.replies.charge();
        charge.free(std::mem::replace(&mut self.held, size));
        if let Some(place) = &self.place {
            charge.keep(size);
            return place.holds(size, len);
        }
        let whole = len + self.decoder.wanted();
        let is_large = whole > LARGE && self.decoder.wanted() > 0;
        // The beginning of a large value may come with the end of the one before it, in a buffer that is large itself.
        let has_room = charge.add_fairly(size, CHUNK) || is_large && charge.add(size);
        if !has_room {
            charge.keep(size);
        }
        let may_wait = is_large && !self.ended;
        if self.paused || has_room && !may_wait {
            return;
        }
        if has_room {
            self.place = Place::ask(self.station.memory(), whole, size);
        }
        if self.place.is_none() {
            self.abandon();
        }
    }

    /// Drops the beginning of what will never be whole, since nothing more is read. Its place is for the next one.
    fn forgo(&mut self) -> Option<Place> {
        self.input = Inbox::new();
        self.place.take()
    }

    /// Gives up what is awaited, for want of memory: a value is refused, and swallowed as it comes.
    fn abandon(&mut self) {
        let _last = self.place.take(); // nobody has the room before it is given back
        if let Some(command) = self.decoder.abandon(&mut self.input) {
            self.outlet.replies.charge().tell();
            self.carry_out(command, &self.station.view());
            self.ask();
            self.hold();
        }
    }

    fn carry_out(&mut self, command: Command, view: &View) {
        self.usual = 0;
        match command {
            Command::Ask { request, spelling } => {
                self.usual = request.value_len();
                if let Some(reply_to) = self.outlet.owe(spelling) {
                    view.dispatch(request, reply_to.by(self.entrance.number));
                }
            }
            Command::Refuse(line) => {
                self.station.cells.protocol_errors.add(1);
                self.say_line(line);
            }
            Command::Silence => {}
            Command::Version => self.outlet.say(concat!("VERSION ", env!("CARGO_PKG_VERSION"), "\r\n")),
            Command::Verbosity => self.outlet.say("OK\r\n"),
            Command::Stats(argument) => {
                let station = self.station.clone();
                self.outlet.say_later(move || statistics(&argument, &station));
            }
            Command::MetaNoop => self.outlet.say("MN\r\n"),
            Command::Quit => self.hang_up(),
            Command::Close(closing) => self.dismiss(closing),
        }
    }

    fn dismiss(&mut self, closing: Closing) {
        self.station.cells.protocol_errors.add(1);
        self.station.tell_of(closing);
        if let Some(line) = closing.line() {
            self.say_line(line);
        }
        self.hang_up();
    }

    /// Nothing that came behind this is heard.
    fn hang_up(&mut self) {
        self.ended = true;
        self.input.clear();
    }

    fn say_line(&self, line: &[u8]) {
        self.outlet.say(Bytes::from([line, b"\r\n"].concat()));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.outlet.replies.charge().free(self.held);
        self.outlet.leave();
    }
}
