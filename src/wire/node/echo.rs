//! Keys that a node must not say.
//!
//! memcached forgets that a key came as base64 when `mg` with `N` makes its item, and echoes it raw. A line feed
//! in it would end the line, and what follows would be heard as the answer to the next request on the
//! connection, which may be another client's. So the node is not asked for such a key; ketch echoes it itself.

use bytes::Bytes;

use crate::model::{Meta, MetaStatus, MetaVerb};

/// Whether the node's echo of the key could be more than one line.
pub fn is_unsafe(meta: &Meta) -> bool {
    meta.verb == MetaVerb::Get && meta.has(b'k') && memchr::memchr(b'\n', meta.key.as_bytes()).is_some()
}

/// The flags without `k`.
pub fn without(meta: &Meta) -> Vec<u8> {
    let flags: Vec<&[u8]> = meta.flags().filter(|flag| flag[0] != b'k').collect();
    flags.join(&b' ')
}

/// The flags of an answer to [`without`], with the key where the client asked for it.
pub fn restored(meta: &Meta, status: MetaStatus, answer: &[u8]) -> Bytes {
    let answered: &[u8] = if status == MetaStatus::Miss { b"O" } else { b"Ocfhlst" };
    let before = meta.flags().take_while(|flag| flag[0] != b'k').filter(|flag| answered.contains(&flag[0])).count();
    let mut flags: Vec<&[u8]> = answer.split(|byte| *byte == b' ').filter(|flag| !flag.is_empty()).collect();
    let key = [b"k", &meta.token[..], b" b"].concat();
    flags.insert(before.min(flags.len()), &key);
    flags.join(&b' ').into()
}
