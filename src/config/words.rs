//! The words that stand for one choice of a few, and the word that was probably meant.

use schemars::{Schema, json_schema};

use super::setting::{Setting, word};
use super::valid::{OnEjected, Protocol, Readmit, ReadsFrom, ReadsOnError};
use crate::model::{Compatibility, Distribution, HashKind};

/// Makes an enum a [`Setting`] by the table of its words, which [`name`](Word::name) reads backwards.
macro_rules! words {
    ($($kind:ty { $($word:literal => $value:ident),+ $(,)? })+) => {$(
        impl Word for $kind {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, <$kind>::$value)),+];
        }

        impl Setting for $kind {
            type Valid = Self;

            fn read(text: &str) -> Result<Self, String> {
                word(text, Self::WORDS)
            }

            fn schema() -> Schema {
                json_schema!({ "enum": [$($word),+] })
            }
        }
    )+};
}

/// An enum whose values have names in the configuration.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value with its name.
    const WORDS: &'static [(&'static str, Self)];

    /// The name as the configuration writes it.
    fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

words! {
    Protocol { "embedded" => Embedded, "memcached" => Memcached, "redis" => Redis, "redis-cluster" => RedisCluster }
    Distribution { "ketama" => Ketama, "modula" => Modula, "jump" => Jump, "rendezvous" => Rendezvous }
    HashKind {
        "md5" => Md5,
        "fnv1_64" => Fnv1_64,
        "fnv1a_64" => Fnv1a64,
        "fnv1_32" => Fnv1_32,
        "fnv1a_32" => Fnv1a32,
        "crc16" => Crc16,
        "crc32" => Crc32,
        "crc32a" => Crc32a,
        "hsieh" => Hsieh,
        "murmur" => Murmur,
        "jenkins" => Jenkins,
        "one_at_a_time" => OneAtATime,
        "xxh3" => Xxh3,
    }
    Compatibility {
        "none" => None,
        "twemproxy" => Twemproxy,
        "libmemcached" => Libmemcached,
        "libmemcached-weighted" => LibmemcachedWeighted,
        "spymemcached" => Spymemcached,
    }
    ReadsOnError { "miss" => Miss, "error" => Error }
    OnEjected { "rehash" => Rehash, "miss" => Miss, "error" => Error }
    Readmit { "replay" => Replay, "flush" => Flush, "keep" => Keep }
    ReadsFrom { "primary" => Primary, "replica" => Replica }
}

/// A number of things in words: `1 node`, `2 nodes`.
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// The candidate that `text` was probably meant to be: about a third of it may be typed otherwise.
pub(super) fn nearest<'a>(text: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(text, candidate);
    let allowed = (text.chars().count() + 1) / 3;
    candidates.iter().copied().filter(|one| distance(one) <= allowed).min_by_key(|one| distance(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back_as_it_is_named() {
        for (word, kind) in HashKind::WORDS {
            assert_eq!(HashKind::read(word), Ok(*kind));
            assert_eq!(kind.name(), *word);
        }
    }

    #[test]
    fn an_unknown_word_gets_the_list_and_a_guess() {
        assert_eq!(
            Distribution::read("ketma").unwrap_err(),
            "\"ketma\" is none of ketama, modula, jump, rendezvous; did you mean ketama?"
        );
        assert_eq!(Readmit::read("x").unwrap_err(), "\"x\" is none of replay, flush, keep");
    }

    #[test]
    fn one_thing_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| counted(number, "node")), ["0 nodes", "1 node", "2 nodes"]);
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        assert_eq!(nearest("nodse", &["nodes", "memory"]), Some("nodes"));
        assert_eq!(nearest("colour", &["nodes", "memory"]), None);
        assert_eq!(nearest("q", &["p"]), None);
    }
}
