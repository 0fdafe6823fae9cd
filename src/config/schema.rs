//! The JSON Schema of the file, for editors and for [`shape`](super::shape).

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use serde_json::Value;

use super::typed::FileText;

/// The schema, draft 7 (which every editor reads), without references, so that each key shows its own words.
#[must_use]
pub fn schema() -> Value {
    let mut settings = SchemaSettings::draft07().with_transform(RecursiveTransform(join_lines));
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<FileText>().to_value()
}

/// Descriptions are paragraphs, whatever lines the source breaks them into.
fn join_lines(schema: &mut Schema) {
    if let Some(Value::String(words)) = schema.get_mut("description") {
        *words = words.replace('\n', " ");
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// A YAML map of every key under `schema` that has a default, at that default.
    fn defaults(schema: &Value) -> serde_json::Map<String, Value> {
        let mut map = serde_json::Map::new();
        for (key, schema) in schema["properties"].as_object().unwrap() {
            let below = schema["properties"].as_object().map(|_| Value::Object(defaults(schema)));
            if let Some(value) = schema.get("default").cloned().or(below) {
                map.insert(key.clone(), value);
            }
        }
        map
    }

    /// Takes out what belongs to other protocols, by asking for the whole and dropping each field that is told.
    fn parse_supported(mut file: Value) -> Config {
        for _ in 0..99 {
            let text = serde_json::to_string(&file).unwrap();
            let error = match Config::parse(&text, "defaults") {
                Ok(config) => return config,
                Err(error) => error.to_string(),
            };
            let field = error.lines().next().unwrap().split(": ").nth(1).unwrap();
            assert!(error.lines().all(|line| line.contains("belongs to")), "{error}");
            let (parent, key) = field
                .rsplit_once('.')
                .map_or((String::new(), field), |(parent, key)| (format!("/{}", parent.replace('.', "/")), key));
            file.pointer_mut(&parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        }
        panic!("too many refusals");
    }

    #[test]
    fn the_defaults_of_the_schema_are_those_of_the_program() {
        let schema = schema();
        let mut file = Value::Object(defaults(&schema));
        let mut pool = defaults(&schema["properties"]["pools"]["additionalProperties"]);
        pool.insert("nodes".into(), serde_json::json!(["10.0.0.1:11211"]));
        assert!(pool.len() > 20, "every key of a pool has a default: {pool:?}");
        file["pools"] = serde_json::json!({ "main": pool });
        let written = parse_supported(file);
        let left_out = Config::parse("pools: {main: {nodes: ['10.0.0.1:11211']}}", "bare").unwrap();
        assert_eq!(written, left_out);
    }

    #[test]
    fn every_key_is_described() {
        fn walk(path: &str, schema: &Value) {
            for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
                assert!(schema["description"].is_string(), "{path}.{key} has no description");
                walk(&format!("{path}.{key}"), schema);
            }
            for inner in ["items", "additionalProperties"] {
                schema.get(inner).into_iter().for_each(|schema| walk(path, schema));
            }
            schema["anyOf"].as_array().into_iter().flatten().for_each(|schema| walk(path, schema));
        }
        walk("", &schema());
    }
}
