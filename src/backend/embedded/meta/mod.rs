//! The meta commands.
//!
//! Each looks at its flags twice, as memcached does: once to know what to do ([`flags`]), and once in the
//! order in which they were typed, to answer and to change the item's life. `mg k t T30` answers the old life and
//! `mg k T30 t` the new.

mod arithmetic;
mod debug;
mod delete;
mod flags;
mod get;
mod set;

use super::clock::Moment;
use super::{Store, refused};
use crate::model::{Meta, MetaVerb, Reply};
use crate::wire::AnswerLine;
use flags::Flags;

impl Store {
    pub(super) fn meta(&self, meta: &Meta, when: Moment) -> Reply {
        let flags = match Flags::read(meta, when) {
            Ok(flags) => flags,
            Err(line) => return refused(line),
        };
        let done = match meta.verb {
            MetaVerb::Get => Ok(self.meta_get(meta, &flags, when)),
            MetaVerb::Set => self.meta_set(meta, &flags, when),
            MetaVerb::Delete => Ok(self.meta_delete(meta, &flags, when)),
            MetaVerb::Arithmetic => self.meta_arithmetic(meta, &flags, when),
            MetaVerb::Debug => Ok(self.meta_debug(meta, when)),
        };
        done.map_or_else(refused, Reply::Meta)
    }
}

/// What every answer without an item has.
fn echoing(meta: &Meta, flags: &Flags) -> AnswerLine {
    AnswerLine::echoing(meta, echoes_base64(meta, flags))
}

/// Whether the key of a command is told as base64.
fn echoes_base64(meta: &Meta, flags: &Flags) -> bool {
    is_told_as_base64(meta.key.as_bytes(), flags.binary_key)
}

/// Whether a key is told as base64: because it came so, or because it would break the line.
fn is_told_as_base64(key: &[u8], came_so: bool) -> bool {
    came_so || key.iter().any(|byte| matches!(byte, b' ' | b'\n' | 0))
}
