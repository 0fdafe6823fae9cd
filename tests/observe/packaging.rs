//! What packages and clusters need: the unit, the manifests, the manual, and the word to systemd.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{Ketch, PATIENCE, folder_of_sockets, program};

const KETCH: &str = env!("CARGO_BIN_EXE_ketch");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
fn the_unit_is_valid_and_hardened() {
    let unit = std::fs::read_to_string(root().join("config/systemd/ketch.service")).unwrap();
    assert!(unit.contains("ExecStart=/usr/bin/ketch "));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ketch.service");
    std::fs::write(&file, unit.replace("/usr/bin/ketch", KETCH)).unwrap();
    let analyze = program("systemd-analyze", "systemd");
    let said = run(Command::new(&analyze).args(["verify", "--man=no"]).arg(&file));
    assert!(!said.contains("ketch.service"), "{said}");
    // 10 is wide open.
    let most = ["security", "--offline=yes", "--threshold=20"];
    run(Command::new(&analyze).args(most).arg(&file));
}

#[test]
fn systemd_is_told_of_readiness_of_a_reload_and_of_the_end() {
    let folder = folder_of_sockets();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let hear = || {
        let mut words = [0; 256];
        let count = supervisor.recv(&mut words).unwrap();
        String::from_utf8_lossy(&words[..count]).into_owned()
    };
    let with = |nodes: &str| {
        format!("pools: {{ main: {{ protocol: embedded, nodes: {nodes} }} }}\nroutes: [{{ pool: main }}]")
    };
    let mut ketch = Ketch::start_with(&with("[a]"), &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let hear_ready = || while !hear().contains("READY=1") {};
    hear_ready();
    ketch.configure(&with("[a, b]"));
    assert!(hear().contains("RELOADING=1"));
    hear_ready();
    ketch.process.signal("TERM");
    assert!(hear().contains("STOPPING=1"));
    let status = ketch.process.0.wait().unwrap();
    assert!(status.success());
}

/// There is no daemon here to build the image: what it copies is copied, and cargo must find a whole package in it.
#[test]
fn the_image_has_all_that_its_build_needs() {
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    let ignored = std::fs::read_to_string(root().join(".dockerignore")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copies =
        dockerfile.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"));
    for line in copies {
        let words: Vec<_> = line.split(' ').collect();
        for source in &words[..words.len() - 1] {
            assert!(ignored.lines().any(|line| line.strip_prefix('!') == Some(source)), "{source} is ignored");
            let to = folder.path().join(source);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            run(Command::new("cp").arg("-r").arg(root().join(source)).arg(to));
        }
    }
    let manifest = folder.path().join("Cargo.toml");
    let arguments = ["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1", "--manifest-path"];
    let found = run(Command::new(env!("CARGO")).args(arguments).arg(&manifest));
    // A target that the manifest names and whose file is not there is left out here, and an error when it is built.
    let text = std::fs::read_to_string(manifest).unwrap();
    let named: Vec<_> =
        text.split("\n[[").skip(1).filter_map(|part| part.split("name = \"").nth(1)?.split('"').next()).collect();
    assert!(named.len() >= 3, "{named:?}");
    for name in named.into_iter().chain(["ketch"]) {
        assert!(found.contains(&format!("\"name\":\"{name}\"")), "{name} is not copied");
    }
}

#[test]
fn the_manifests_fit_the_schemas_of_kubernetes() {
    let folder = root().join("config/kubernetes");
    let validate = root().join("tests/.venv/bin/kubernetes-validate");
    assert!(validate.is_file(), "kubernetes-validate is missing: run tests/run --prepare");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    // Of the operator's own kinds there is no schema here: that file is only read.
    files.retain(|file| !file.ends_with("servicemonitor.yaml"));
    assert!(files.len() >= 5, "{files:?}");
    run(Command::new(validate).arg("--strict").args(files));
    let monitor = std::fs::read_to_string(root().join("config/kubernetes/servicemonitor.yaml")).unwrap();
    let monitor: serde_json::Value = serde_yaml::from_str(&monitor).unwrap();
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], "admin");
}

#[test]
fn the_configuration_of_the_manifests_is_valid() {
    let text = std::fs::read_to_string(root().join("config/kubernetes/configmap.yaml")).unwrap();
    let map: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ketch.yaml");
    std::fs::write(&file, map["data"]["ketch.yaml"].as_str().unwrap()).unwrap();
    run(Command::new(KETCH).arg("check").arg(file));
}

#[test]
fn the_manual_and_the_completions_know_every_subcommand() {
    let man = run(Command::new(KETCH).arg("man"));
    for part in [".TH ketch 1", "KETCH EXPLAIN", "KETCH_CONFIG", "\\-\\-workers"] {
        assert!(man.contains(part), "{part}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let completions = run(Command::new(KETCH).args(["completions", shell]));
        assert!(completions.contains("explain") && completions.contains("log-format"), "{shell}");
    }
}
