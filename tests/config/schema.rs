//! The JSON Schema, as an editor would use it.

use regex::Regex;
use serde_json::Value;

use super::examples::{examples, uncommented};
use super::program::{check, schema};

/// The part of JSON Schema that ketch's schema uses; anything else in it fails.
fn accepts(schema: &Value, value: &Value) -> bool {
    schema.as_object().into_iter().flatten().all(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" | "default" | "examples" => true,
        "type" => rule.as_array().map_or_else(|| is_a(rule, value), |any| any.iter().any(|one| is_a(one, value))),
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "anyOf" => rule.as_array().unwrap().iter().any(|schema| accepts(schema, value)),
        "pattern" => value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
        "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
        "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()),
        "minProperties" => value.as_object().is_none_or(|map| map.len() as u64 >= rule.as_u64().unwrap()),
        "maxProperties" => value.as_object().is_none_or(|map| map.len() as u64 <= rule.as_u64().unwrap()),
        "items" => value.as_array().into_iter().flatten().all(|item| accepts(rule, item)),
        "required" => rule.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => {
            let known = |(key, value): (&String, &Value)| rule.get(key).is_none_or(|schema| accepts(schema, value));
            value.as_object().into_iter().flatten().all(known)
        }
        "additionalProperties" => {
            let known = schema["properties"].as_object();
            let others = value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
            others.into_iter().all(|(_, value)| if rule.is_boolean() { rule == true } else { accepts(rule, value) })
        }
        unknown => panic!("the test does not know {unknown}"),
    })
}

fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        unknown => panic!("the test does not know {unknown}"),
    }
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn the_schema_takes_every_example_and_every_key() {
    let schema = schema();
    for path in examples() {
        assert!(accepts(&schema, &yaml(&std::fs::read_to_string(&path).unwrap())), "{}", path.display());
    }
    assert!(accepts(&schema, &yaml(&uncommented(|_| true))));
}

#[test]
fn the_schema_refuses_what_check_refuses() {
    let schema = schema();
    for text in [
        "worker: 2",
        "workers: 0",
        "limits: {drain: 10}",
        "limits: {drain: 1.5s}",
        "limits: {value_size: 1MB}",
        "limits: {connections: 0}",
        "listeners: {memcached: [localhost]}",
        "listeners: {memcached: h:1}",
        "pools: {}",
        "pools: {p: {}}",
        "pools: {p: {nodes: []}}",
        "pools: {p: {nodes: [{address: 'h:1', weight: 0}]}}",
        "pools: {p: {nodes: [h:1], hash: md6}}",
        "pools: {p: {nodes: [h:1], request_timeout: 0s}}",
        "routes: [{prefix: a}]",
    ] {
        assert!(!accepts(&schema, &yaml(text)), "the schema takes {text}");
        assert_eq!(check(text).0, Some(1), "{text}");
    }
}
