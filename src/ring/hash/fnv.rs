//! Fowler, Noll and Vo's hashes, 32 bits of them.
//!
//! The 64-bit names give 32 bits: `fnv1_64` is truncated at the end, and `fnv1a_64` is computed on 32 bits all
//! along (twemproxy `nc_fnv.c`, libhashkit `fnv_64.cc`). The low half of a product depends on the low halves
//! alone, so both are the 32-bit loop with the low halves of the 64-bit constants.

use super::sign_extended;

const INIT_32: u32 = 0x811c_9dc5;
const PRIME_32: u32 = 0x0100_0193;
/// The low half of 0xcbf29ce484222325.
const INIT_64: u32 = 0x8422_2325;
/// The low half of 0x100000001b3.
const PRIME_64: u32 = 0x1b3;

pub(super) fn fnv1_64(bytes: &[u8]) -> u32 {
    multiply_then_xor(bytes, INIT_64, PRIME_64)
}

pub(super) fn fnv1a_64(bytes: &[u8]) -> u32 {
    xor_then_multiply(bytes, INIT_64, PRIME_64)
}

pub(super) fn fnv1_32(bytes: &[u8]) -> u32 {
    multiply_then_xor(bytes, INIT_32, PRIME_32)
}

pub(super) fn fnv1a_32(bytes: &[u8]) -> u32 {
    xor_then_multiply(bytes, INIT_32, PRIME_32)
}

fn multiply_then_xor(bytes: &[u8], init: u32, prime: u32) -> u32 {
    bytes.iter().fold(init, |hash, byte| hash.wrapping_mul(prime) ^ sign_extended(*byte))
}

fn xor_then_multiply(bytes: &[u8], init: u32, prime: u32) -> u32 {
    bytes.iter().fold(init, |hash, byte| (hash ^ sign_extended(*byte)).wrapping_mul(prime))
}
