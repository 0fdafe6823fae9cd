//! The annotated files of `config/`, which must not drift from the program.

use std::path::{Path, PathBuf};

use ketch::config::Config;
use regex::Regex;
use serde_json::Value;

use super::program::{ketch, schema, stderr};

pub fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn every_example_is_valid() {
    let examples = examples();
    assert!(examples.len() >= 4, "{examples:?}");
    for path in examples {
        let output = ketch(&["check", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

const EVERY_KEY: &str = include_str!("../../config/ketch.yaml");

/// The annotated file with the # taken off the keys of which `wanted` says so, by the line.
pub fn uncommented(wanted: impl Fn(&str) -> bool) -> String {
    let key = Regex::new("^#(  +)?[^ #]").unwrap();
    let line = |line: &str| match key.is_match(line) && wanted(line) {
        true => line.replacen('#', "", 1),
        false => line.to_owned(),
    };
    EVERY_KEY.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_annotated_file_is_the_built_in_configuration() {
    let config = Config::parse(EVERY_KEY, "ketch.yaml").unwrap();
    assert_eq!(config, Config::built_in());
}

#[test]
fn the_annotated_pool_has_the_defaults() {
    let text = uncommented(|line| !["# redis", "# redis-cluster"].iter().any(|mark| line.ends_with(mark)));
    let config = Config::parse(&text, "ketch.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let nodes = "[10.0.0.1:11211, {address: '10.0.0.2:11211', weight: 2, name: cache-b}]";
    let bare = Config::parse(&format!("pools: {{main: {{nodes: {nodes}}}}}"), "bare").unwrap();
    assert_eq!(config.pools[1], bare.pools[0]);
    assert_eq!(config.routes.len(), 2);
}

#[test]
fn the_annotated_keys_of_redis_have_the_defaults() {
    let text = uncommented(|line| !line.ends_with("# redis-cluster"))
        .replace("memcached\n    # \"host", "redis\n    # \"host");
    let config = Config::parse(&text, "ketch.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let nodes = "[10.0.0.1:11211, {address: '10.0.0.2:11211', weight: 2, name: cache-b}]";
    let bare = Config::parse(&format!("pools: {{main: {{protocol: redis, nodes: {nodes}}}}}"), "bare").unwrap();
    assert_eq!(config.pools[1], bare.pools[0]);
}

#[test]
fn the_annotated_file_has_every_key() {
    fn walk(schema: &Value, missing: &mut Vec<String>) {
        for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
            if !Regex::new(&format!(r"\b{key}: ")).unwrap().is_match(EVERY_KEY)
                && !EVERY_KEY.contains(&format!("{key}:\n"))
            {
                missing.push(key.clone());
            }
            walk(schema, missing);
        }
        for inner in ["items", "additionalProperties"] {
            schema.get(inner).into_iter().for_each(|schema| walk(schema, missing));
        }
        schema["anyOf"].as_array().into_iter().flatten().for_each(|schema| walk(schema, missing));
    }
    let mut missing = Vec::new();
    walk(&schema(), &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}
