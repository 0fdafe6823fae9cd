//! Where and when a run was made.

use std::process::Command;

use serde::Serialize;

use crate::subject::Kind;

/// What a figure means nothing without.
#[derive(Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
    commit: String,
    versions: Vec<(Kind, String)>,
}

impl Machine {
    pub fn here() -> Self {
        Self {
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: said("uname", &["-sr"]),
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            commit: said("git", &["describe", "--always", "--dirty", "--abbrev=12"]),
            versions: Kind::ALL.map(|kind| (kind, kind.version())).to_vec(),
        }
    }

    pub fn text(&self) -> String {
        let versions: Vec<&str> = self.versions.iter().map(|(_, version)| version.as_str()).collect();
        format!(
            "{}; {}, {} cores, {}; {}; commit {}\n",
            self.date,
            self.processor,
            self.cores,
            self.kernel,
            versions.join(", "),
            self.commit
        )
    }
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&output).trim().to_owned();
    if text.is_empty() { "unknown".to_owned() } else { text }
}
