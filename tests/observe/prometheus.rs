//! A real Prometheus scrapes two ketch processes under load: every expression of every panel has data, and every
//! alert fires by its real cause.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::page::Load;
use super::support::{Ketch, Memcached, Process, free_port, http, program, wait_for};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/prometheus")
}

#[test]
fn the_files_are_valid_and_the_rules_do_what_their_tests_say() {
    for arguments in [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "recording.yml", "alerts.yml"],
        &["test", "rules", "tests.yml"],
    ] {
        let output =
            Command::new(program("promtool", "prometheus")).current_dir(folder()).args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "promtool {}: {}", arguments.join(" "), String::from_utf8_lossy(&said));
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let text = std::fs::read_to_string(folder().join("alerts.yml")).unwrap();
    let rules: Value = serde_yaml::from_str(&text).unwrap();
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(rule["annotations"]["runbook"].as_str().is_some_and(|words| words.len() > 60), "{name}");
        assert!(rule["annotations"]["summary"].is_string() && rule["labels"]["severity"].is_string(), "{name}");
    }
}

/// A running Prometheus over the files of this repository, with a second for each quarter of a minute.
struct Prometheus {
    address: std::net::SocketAddr,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    fn over(targets: &[&Ketch]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
        let targets: Vec<String> = targets.iter().map(|ketch| format!("\"{}\"", ketch.admin)).collect();
        let config =
            read("prometheus.yml").replace("15s", "1s").replace("\"127.0.0.1:11290\"", &targets.join("\n          - "));
        assert_eq!(config.matches("127.0.0.1").count(), targets.len(), "{config}");
        std::fs::write(home.path().join("prometheus.yml"), config).unwrap();
        for name in ["recording.yml", "alerts.yml"] {
            std::fs::write(home.path().join(name), hurried(&read(name))).unwrap();
        }
        let address = ([127, 0, 0, 1], free_port()).into();
        let mut command = Command::new(program("prometheus", "prometheus"));
        command.current_dir(home.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::spawn(&mut command);
        wait_for("Prometheus to listen", || std::net::TcpStream::connect(address).ok());
        wait_for("Prometheus to be ready", || (http(address, "GET", "/-/ready", "").0 == 200).then_some(()));
        Self { address, _process: process, _folder: home }
    }

    fn ask(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, body) = http(self.address, "GET", &format!("/api/v1/query?query={encoded}"), "");
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!((status, &answer["status"]), (200, &"success".into()), "{expression}: {body}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    fn firing(&self) -> BTreeSet<String> {
        let alerts = self.ask("ALERTS{alertstate=\"firing\"}");
        alerts.iter().map(|alert| alert["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }

    fn wait_for_alert(&self, name: &str) {
        wait_for(&format!("{name} to fire"), || {
            std::thread::sleep(std::time::Duration::from_millis(200));
            self.firing().contains(name).then_some(())
        });
    }
}

/// The rules with short windows and no patience, so that a test sees in seconds what they see in minutes.
fn hurried(rules: &str) -> String {
    let short = [("[1m]", "[4s]"), ("[5m]", "[6s]"), ("[10m]", "[20s]"), ("[1h]", "[40s]")];
    let rules = short.iter().fold(rules.to_owned(), |rules, (long, short)| rules.replace(long, short));
    let line = |line: &str| if line.trim_start().starts_with("for: ") { String::new() } else { format!("{line}\n") };
    rules.lines().map(line).collect()
}

/// Three pools: one that is well, one whose only node is dead, one of stores that gets one key only.
fn config(nodes: &[String], dead: u16, limits: &str) -> String {
    format!(
        "limits: {{ {limits} }}\npools:\n  main: {{ nodes: {nodes:?}, request_timeout: 30s, health: {{ probe_interval: 100ms, probe_timeout: 10s }} }}\n  \
         dead: {{ nodes: [\"127.0.0.1:{dead}\"], health: {{ eject_after: 1000000 }} }}\n  own: {{ protocol: embedded, nodes: [a, b, c] }}\n\
         routes: [{{ prefix: \"dead:\", pool: dead }}, {{ prefix: \"own:\", pool: own }}, {{ pool: main }}]\n"
    )
}

/// The expressions of all dashboards with every variable filled in, each with where it stands.
fn expressions() -> Vec<(String, String)> {
    let dashboards = folder().parent().unwrap().join("dashboards");
    let mut expressions = Vec::new();
    for file in std::fs::read_dir(dashboards).unwrap() {
        let path = file.unwrap().path();
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let expression = target["expr"].as_str().unwrap();
                let filled = expression.replace("$job", "ketch").replace("$instance", ".+").replace("$pool", ".+");
                assert!(!filled.contains('$'), "{filled}");
                expressions.push((format!("{}: {}", board["title"], panel["title"]), filled));
            }
        }
    }
    expressions
}

#[test]
fn every_panel_has_data_and_every_alert_fires_by_its_cause() {
    let mut nodes = [Memcached::start(), Memcached::start()];
    let addresses = nodes.each_ref().map(Memcached::address);
    let dead = free_port();
    let one = Ketch::start(&config(&addresses, dead, ""));
    let mut other = Ketch::start(&config(&addresses, dead, "connections: 4"));
    let prometheus = Prometheus::over(&[&one, &other]);
    let loads = [Load::on(&one), Load::on(&other), Load::reading(&one, "own:warm")];
    wait_for("rates", || (prometheus.ask("pool:ketch_requests:rate1m > 0").len() >= 3).then_some(()));

    let expressions = expressions();
    assert!(expressions.len() > 40, "{}", expressions.len());
    for (place, expression) in expressions {
        let expression = hurried(&expression);
        wait_for(&format!("data for {place}: {expression}"), || {
            Some(prometheus.ask(&expression)).filter(|result| !result.is_empty())
        });
    }
    // Without their patience they see a scrape that a busy machine missed, and must forget it.
    let alarming = ["KetchNodeEjected", "KetchErrors", "KetchSaturated", "KetchDown", "KetchMissRatioJump"];
    wait_for("calm", || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let firing = prometheus.firing();
        alarming.iter().all(|alert| !firing.contains(*alert)).then_some(())
    });

    other.configure("nonsense");
    prometheus.wait_for_alert("KetchReloadFailed");
    // The two have other ports and limits, and the one key of `own` is on one of three stores.
    prometheus.wait_for_alert("KetchConfigDrift");
    prometheus.wait_for_alert("KetchImbalance");
    let clients: Vec<_> = (0..3).map(|_| other.connect()).collect();
    prometheus.wait_for_alert("KetchSaturated");
    drop(clients);
    one.connect().expect("delete own:warm\r\n", "DELETED\r\n");
    prometheus.wait_for_alert("KetchMissRatioJump");
    let failing = Load::reading(&one, "dead:a");
    prometheus.wait_for_alert("KetchErrors");
    nodes[0].process.kill();
    prometheus.wait_for_alert("KetchNodeEjected");
    drop((loads, failing));
    other.process.kill();
    prometheus.wait_for_alert("KetchDown");
}
