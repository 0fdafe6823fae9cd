//! schemathesis asks for whatever the served description allows, and for what it forbids, with all its checks on.
//!
//! It asks the same each time, so that one commit gets one verdict. To search for what nobody has found yet, have it ask
//! more, and other things: `KETCH_SCHEMATHESIS_EXAMPLES=200 KETCH_TEST_SEED=random tests/run http described`. What it
//! finds comes with the seed.

use std::path::Path;
use std::process::Command;

use crate::Served;
use crate::support::{program, seed};

/// Examples an operation and phase. `KETCH_SCHEMATHESIS_EXAMPLES` has it ask more.
const EXAMPLES: &str = "10";

#[test]
fn the_description_holds_whatever_is_asked() {
    let served = Served::over_embedded_stores();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let schemathesis = tests.join(".venv/bin/schemathesis");
    assert!(schemathesis.exists(), "{} is missing: run tests/run --prepare", schemathesis.display());
    let examples = std::env::var("KETCH_SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.to_owned());
    let url = format!("http://{}", served.address());
    let output = Command::new(program("timeout", "coreutils"))
        .arg("900")
        .arg(schemathesis)
        .arg("--config-file")
        .arg(tests.join("http/schemathesis.toml"))
        .args(["run", &format!("{url}/openapi.json"), "--url", &url, "--checks", "all", "--no-color"])
        .args(["--max-examples", &examples, "--seed", &seed().to_string(), "--generation-database", "none"])
        // How long it takes to think of something, or to have an answer, is the machine's affair.
        .args(["--suppress-health-check", "too_slow", "--request-timeout", "60"])
        .current_dir(served.ketch.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: 12"), "not every operation was asked:\n{said}");
}
