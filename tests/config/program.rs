//! Runs the program.

use std::process::{Command, Output};

use serde_json::Value;

pub fn ketch(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ketch"));
    for name in ["KETCH_CONFIG", "KETCH_LOG", "KETCH_LOG_FORMAT", "KETCH_WORKERS"] {
        command.env_remove(name);
    }
    command.args(args).output().unwrap()
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs `ketch check` on a text; gives the exit code and what stderr says, the file being `f` in it.
pub fn check(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.yaml");
    std::fs::write(&path, text).unwrap();
    let output = ketch(&["check", path.to_str().unwrap()]);
    (output.status.code(), stderr(&output).replace(path.to_str().unwrap(), "f"))
}

pub fn schema() -> Value {
    serde_json::from_str(stdout(&ketch(&["schema"]))).unwrap()
}
