//! What the flags of a meta command ask for.

use super::super::clock::Moment;
use super::super::number;
use crate::model::{Expiry, Meta, MetaVerb};

const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";
const BAD_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";

/// The flags that decide, with their arguments read; lives are turned into seconds of the store's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// `b`: the key came as base64.
    pub binary_key: bool,
    /// `v`
    pub value: bool,
    /// `u`: no use.
    pub quiet_use: bool,
    /// `I`
    pub invalidate: bool,
    /// `x`
    pub remove_value: bool,
    /// `N`
    pub create: Option<u32>,
    /// `R`
    pub recache: Option<u32>,
    /// `T`
    pub life: Option<u32>,
    /// `C`
    pub token: Option<u64>,
    /// `E`
    pub new_token: Option<u64>,
    /// `F`
    pub client_flags: u32,
    /// `D`
    pub delta: Option<u64>,
    /// `J`
    pub initial: u64,
    /// `M`, as typed.
    pub mode: Option<u8>,
}

impl Flags {
    /// Reads the flags of `meta`.
    ///
    /// # Errors
    /// The line to answer where an argument is not a number. The wire answers that before; a request that did
    /// not come from a wire may still have it.
    pub fn read(meta: &Meta, when: Moment) -> Result<Self, &'static str> {
        let mut flags = Self::default();
        for flag in meta.flags() {
            flags.take(flag[0], &flag[1..], when).ok_or(match meta.verb {
                MetaVerb::Delete | MetaVerb::Arithmetic => BAD_FLAG,
                MetaVerb::Get | MetaVerb::Set | MetaVerb::Debug => BAD_TOKEN,
            })?;
        }
        Ok(flags)
    }

    fn take(&mut self, letter: u8, argument: &[u8], when: Moment) -> Option<()> {
        let life = || number::signed(argument).map(|seconds| when.deadline(Expiry(seconds)));
        match letter {
            b'b' => self.binary_key = true,
            b'v' => self.value = true,
            b'u' => self.quiet_use = true,
            b'I' => self.invalidate = true,
            b'x' => self.remove_value = true,
            b'N' => self.create = Some(life()?),
            b'R' => self.recache = Some(life()?),
            b'T' => self.life = Some(life()?),
            b'C' => self.token = Some(number::unsigned(argument)?),
            b'E' => self.new_token = Some(number::unsigned(argument)?),
            // Of a larger number memcached keeps the lower 32 bits.
            b'F' => self.client_flags = number::unsigned(argument)? as u32,
            b'D' => self.delta = Some(number::unsigned(argument)?),
            b'J' => self.initial = number::unsigned(argument)?,
            b'M' => self.mode = argument.first().copied(),
            // The rest only shapes the answer.
            _ => {}
        }
        Some(())
    }
}
