//! The checked file, and what is said when counts differ from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

pub const FILE: &str = "tests/instructions/figures.txt";
const HEAD: &str = "\
# Instructions of a worker for each operation, counted by callgrind: see main.rs beside this.
# Made anew by: tests/run instructions --bless
";
/// Percent by which a figure may be worse; past which, when it is better, it wants to be written.
const ALLOWED: u64 = 5;
/// The same where the figures were made with something else, whose code is another.
const ALLOWED_ELSEWHERE: u64 = 25;

/// Figures, and what they were made with.
#[derive(Debug, PartialEq)]
pub struct Figures {
    pub made: BTreeMap<String, String>,
    pub rows: BTreeMap<String, u64>,
}

/// What to print, and how many rows are worse than is allowed.
pub struct Verdict {
    pub text: String,
    pub failed: usize,
}

impl Figures {
    /// The checked ones.
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string(path()).unwrap_or_else(|error| panic!("cannot read {FILE}: {error}")))
    }

    /// `counted`, made here.
    pub fn of(counted: BTreeMap<String, u64>) -> Self {
        Self { made: made_here(), rows: counted }
    }

    pub fn write(&self) {
        std::fs::write(path(), self.text()).unwrap_or_else(|error| panic!("cannot write {FILE}: {error}"));
    }

    /// Sets these, just counted, against the `checked` ones.
    pub fn against(&self, checked: &Self) -> Verdict {
        let (allowed, mut text) = if self.made == checked.made {
            (ALLOWED, String::new())
        } else {
            (ALLOWED_ELSEWHERE, self.differences(checked))
        };
        let mut failed = 0;
        for (row, &now) in &self.rows {
            let Some(&before) = checked.rows.get(row) else {
                failed += 1;
                let _ = writeln!(text, "{row}: no figure in {FILE}; add it with --bless");
                continue;
            };
            let change = (now as f64 / before as f64 - 1.0) * 100.0;
            let words = format!("{row}: {now} instructions, {before} in {FILE} ({change:+.1} %)");
            if now * 100 > before * (100 + allowed) {
                failed += 1;
                let _ = writeln!(
                    text,
                    "{words}: over {} % worse. Find what costs it, or say in the commit why it is worth it and \
                     write the new figures with: tests/run instructions --bless",
                    allowed
                );
            } else if now * 100 < before * (100 - allowed) {
                let _ = writeln!(text, "{words}: better. Keep it so: tests/run instructions --bless");
            }
        }
        Verdict { text, failed }
    }

    fn differences(&self, checked: &Self) -> String {
        let none = String::new();
        let mut text = String::new();
        for (name, now) in &self.made {
            let before = checked.made.get(name).unwrap_or(&none);
            if now != before {
                let _ = writeln!(text, "made with another {name}: {now} here, {before} in {FILE}");
            }
        }
        let _ = writeln!(
            text,
            "so the code that is counted is another, and up to {} % is let pass. To tell what a change costs, \
             bless without the change and count with it.",
            ALLOWED_ELSEWHERE
        );
        text
    }

    fn parse(text: &str) -> Self {
        let mut figures = Self { made: BTreeMap::new(), rows: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            if let Some((name, value)) = line.split_once(": ") {
                figures.made.insert(name.to_owned(), value.to_owned());
            } else {
                let (row, count) = line.split_once(' ').unwrap_or_else(|| panic!("{FILE}: {line}"));
                figures.rows.insert(row.to_owned(), count.trim().parse().expect(line));
            }
        }
        figures
    }

    fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        self.made.iter().for_each(|(name, value)| text += &format!("{name}: {value}\n"));
        text.push('\n');
        self.rows.iter().for_each(|(row, count)| text += &format!("{row:14}{count:6}\n"));
        text
    }
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE)
}

/// All that the code which runs depends on, but for Cargo.lock and the source.
fn made_here() -> BTreeMap<String, String> {
    let rustc = said("rustc", &["-vV"]);
    let line = |name: &str| rustc.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").to_owned();
    // memchr, and memcpy of the C library, choose their code by what the processor can do.
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wide = if flags.contains(" avx2 ") { "with AVX2" } else { "without AVX2" };
    [
        ("compiler", format!("rustc {}", line("release: "))),
        ("target", line("host: ")),
        ("libc", said("getconf", &["GNU_LIBC_VERSION"])),
        ("processor", wide.to_owned()),
        ("profile", "release".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.ok().filter(|text| !text.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// What this file says of counts that it is given: called by main, since this program has no harness.
pub fn test_itself() {
    let of = |count: u64, compiler: &str| Figures {
        made: [("compiler".to_owned(), compiler.to_owned())].into(),
        rows: [("get-8".to_owned(), count)].into(),
    };
    let checked = of(1000, "a");
    assert_eq!(Figures::parse(&checked.text()), checked);
    for (count, compiler, failed, words) in [
        (1050, "a", 0, ""),
        (1051, "a", 1, "over 5 % worse"),
        (949, "a", 0, "better"),
        (1051, "b", 0, "another compiler: b here, a in"),
        (1251, "b", 1, "over 25 % worse"),
    ] {
        let verdict = of(count, compiler).against(&checked);
        assert_eq!(verdict.failed, failed, "{count}, {compiler}");
        assert!(verdict.text.contains(words), "{}", verdict.text);
        assert_eq!(verdict.text.is_empty(), words.is_empty(), "{}", verdict.text);
    }
}
