//! The values of the labels `command` and `result`: closed lists, whatever clients send.

use crate::model::{MetaStatus, MetaVerb, Reply, Request, StoreMode};

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $label, "`")] $variant,)*
        }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The value of the label.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// The value of the label `command`.
    Command {
        Get = "get", Gat = "gat", Set = "set", Add = "add", Replace = "replace", Append = "append",
        Prepend = "prepend", Cas = "cas", Delete = "delete", Incr = "incr", Decr = "decr", Touch = "touch",
        Mg = "mg", Ms = "ms", Md = "md", Ma = "ma", Me = "me", FlushAll = "flush_all",
    }
}

labels! {
    /// The value of the label `result`.
    Outcome {
        Hit = "hit", Miss = "miss", Stored = "stored", NotStored = "not_stored", Exists = "exists",
        NotFound = "not_found", Done = "done", Refused = "refused", Failed = "failed",
    }
}

labels! {
    /// How far the handover of a key got: the value of the label `step`.
    Handover { Asked = "asked", Found = "found", Filled = "filled", }
}

labels! {
    /// Why a node refused a request: the value of the label `reason` of refusals. Redis's words, for the most part.
    Refusal {
        WrongType = "wrongtype", OutOfMemory = "oom", Loading = "loading", ReadOnly = "readonly", NoAuth = "noauth",
        NoPermission = "noperm", NoScript = "noscript", Client = "client", Other = "other",
    }
}

impl Refusal {
    /// Why a node refused with this line. A login that failed counts as one that was not tried.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let Some(words) = line.strip_prefix(b"SERVER_ERROR ") else { return Self::Client };
        match words.split(|byte| *byte == b' ').next().unwrap_or_default() {
            b"WRONGTYPE" => Self::WrongType,
            b"OOM" => Self::OutOfMemory,
            b"LOADING" => Self::Loading,
            b"READONLY" => Self::ReadOnly,
            b"NOAUTH" | b"WRONGPASS" | b"no" => Self::NoAuth,
            b"NOPERM" => Self::NoPermission,
            b"NOSCRIPT" => Self::NoScript,
            _ => Self::Other,
        }
    }
}

impl Command {
    /// Which command a request is.
    #[inline]
    #[must_use]
    pub fn of(request: &Request) -> Self {
        match request {
            Request::Read(read) if read.touch.is_some() => Self::Gat,
            Request::Read(_) => Self::Get,
            Request::Store(store) => match store.mode {
                StoreMode::Set => Self::Set,
                StoreMode::Add => Self::Add,
                StoreMode::Replace => Self::Replace,
                StoreMode::Append => Self::Append,
                StoreMode::Prepend => Self::Prepend,
                StoreMode::Cas(_) => Self::Cas,
            },
            Request::Delete(_) => Self::Delete,
            Request::Arithmetic(arithmetic) if arithmetic.decrement => Self::Decr,
            Request::Arithmetic(_) => Self::Incr,
            Request::Touch { .. } => Self::Touch,
            Request::Meta(meta) | Request::Lease(meta) => match meta.verb {
                MetaVerb::Get => Self::Mg,
                MetaVerb::Set => Self::Ms,
                MetaVerb::Delete => Self::Md,
                MetaVerb::Arithmetic => Self::Ma,
                MetaVerb::Debug => Self::Me,
            },
            Request::FlushAll { .. } => Self::FlushAll,
        }
    }
}

impl Outcome {
    /// What came of `command`, for every reply but a read's items, whose hits and misses are counted by key.
    #[must_use]
    pub fn of(command: Command, reply: &Reply) -> Self {
        match reply {
            Reply::Stored => Self::Stored,
            Reply::NotStored => Self::NotStored,
            Reply::Exists => Self::Exists,
            Reply::NotFound => Self::NotFound,
            Reply::Items(_) | Reply::Deleted | Reply::Touched | Reply::Ok | Reply::Number(_) => Self::Done,
            Reply::Meta(meta) => match (command, meta.status) {
                (Command::Mg | Command::Me, MetaStatus::Miss) => Self::Miss,
                (Command::Mg | Command::Me, _) => Self::Hit,
                (Command::Ms, MetaStatus::Done) => Self::Stored,
                (_, MetaStatus::NotStored) => Self::NotStored,
                (_, MetaStatus::Exists) => Self::Exists,
                (_, MetaStatus::NotFound | MetaStatus::Miss) => Self::NotFound,
                (_, MetaStatus::Done | MetaStatus::Value | MetaStatus::Debug) => Self::Done,
            },
            Reply::Refused(_) => Self::Refused,
            Reply::Failed(_) => Self::Failed,
        }
    }
}
