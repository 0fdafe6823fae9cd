//! What the programs said, kept as a table a program: see `tests/vectors/README.md`.

use std::fmt::Write;
use std::path::PathBuf;

use super::cases::Case;

/// Owners that are written out, to find a difference by eye; the checksum has them all.
const SHOWN: usize = 24;

/// One line of a table.
pub fn row(case: &Case, owners: &[usize]) -> String {
    let bytes: Vec<u8> = owners.iter().map(|owner| u8::try_from(*owner).unwrap()).collect();
    let mut row = format!("{case} {:08x}", crc32fast::hash(&bytes));
    for owner in &owners[..SHOWN] {
        write!(row, " {owner}").unwrap();
    }
    row
}

/// The table must be these rows; with `KETCH_WRITE_VECTORS` in the environment it becomes them.
pub fn compare(program: &str, keys: &[Vec<u8>], rows: &[String]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/vectors/{program}.txt"));
    let joined = keys.join(&b'\n');
    let text = format!("keys {} {:08x}\n{}\n", keys.len(), crc32fast::hash(&joined), rows.join("\n"));
    if std::env::var_os("KETCH_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (ours, theirs) in text.lines().zip(kept.lines()) {
        assert_eq!(ours, theirs, "in {}", path.display());
    }
    assert_eq!(text.len(), kept.len(), "{} has more or fewer rows", path.display());
}
