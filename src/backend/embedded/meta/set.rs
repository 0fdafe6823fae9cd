//! `ms`

use super::super::Store;
use super::super::classic::TOO_LARGE;
use super::super::clock::Moment;
use super::super::storing::{Outcome, Wish};
use super::echoes_base64;
use super::flags::Flags;
use crate::model::{Meta, MetaReply, MetaStatus, StoreMode};
use crate::wire::AnswerLine;

const BAD_MODE: &str = "CLIENT_ERROR invalid mode for ms M token";

impl Store {
    pub(super) fn meta_set(&self, meta: &Meta, flags: &Flags, when: Moment) -> Result<MetaReply, &'static str> {
        let wish = wish(meta, flags)?;
        let (status, token, size) = match self.store(&self.shelves.spot(&meta.key), wish, when) {
            Outcome::Stored(item) => (MetaStatus::Done, item.token(), item.value_len()),
            Outcome::NotStored => (MetaStatus::NotStored, 0, meta.value.len()),
            Outcome::Exists => (MetaStatus::Exists, 0, meta.value.len()),
            Outcome::NotFound => (MetaStatus::NotFound, 0, meta.value.len()),
            Outcome::TooLarge => return Err(TOO_LARGE),
        };
        let (mut line, as_base64) = (AnswerLine::default(), echoes_base64(meta, flags));
        for flag in meta.flags() {
            match flag[0] {
                b'c' => line.number(b'c', token),
                b's' => line.number(b's', size as u64),
                _ => line.echo(meta, flag, as_base64),
            }
        }
        Ok(line.reply(status))
    }
}

fn wish<'a>(meta: &'a Meta, flags: &Flags) -> Result<Wish<'a>, &'static str> {
    let mode = match (flags.mode, flags.token) {
        // `replace` under a token is `cas` to memcached: a missing item is NF and not NS.
        (None | Some(b'S' | b'R'), Some(token)) => StoreMode::Cas(token),
        (None | Some(b'S'), None) => StoreMode::Set,
        (Some(b'R'), None) => StoreMode::Replace,
        (Some(b'E'), _) => StoreMode::Add,
        (Some(b'A'), _) => StoreMode::Append,
        (Some(b'P'), _) => StoreMode::Prepend,
        _ => return Err(BAD_MODE),
    };
    let extends = matches!(mode, StoreMode::Append | StoreMode::Prepend);
    let creates = flags.create.filter(|_| extends);
    Ok(Wish {
        mode,
        flags: flags.client_flags,
        deadline: creates.or(flags.life).unwrap_or(0),
        value: &meta.value,
        binary_key: flags.binary_key,
        token: flags.token.unwrap_or(0),
        new_token: flags.new_token,
        or_stale: flags.invalidate,
        or_create: creates.is_some(),
        too_large_removes: true,
    })
}
