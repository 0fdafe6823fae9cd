//! Cyclic redundancy checks, and what twemproxy and libmemcached make of them.

/// How many bits of CRC-32 the hash named `crc32` keeps.
pub(super) const CRC32_BITS: u32 = 15;

/// CRC-16 (polynomial 0x1021, init 0) in a register of 32 bits that is never cut to 16.
///
/// twemproxy's register (`nc_crc16.c`) keeps what is shifted out of the low half, so that the result has 32
/// bits; the low 16 are the CRC-16 that Redis Cluster and XMODEM use.
pub(super) fn crc16(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc: u32, byte| {
        let index = (crc >> 8) as u8 ^ byte;
        (crc << 8) ^ u32::from(CRC16_TABLE[usize::from(index)])
    })
}

/// 15 bits out of the middle of CRC-32.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    (crc32fast::hash(bytes) >> 16) & ((1 << CRC32_BITS) - 1)
}

/// The true CRC-32 (IEEE 802.3).
pub(super) fn crc32a(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

const CRC16_TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the CRC catalogue for `123456789`.
    #[test]
    fn the_checks_are_the_catalogues() {
        assert_eq!(crc16(b"123456789") & 0xffff, 0x31c3);
        assert_eq!(crc32a(b"123456789"), 0xcbf4_3926);
    }
}
