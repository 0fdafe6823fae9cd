//! Holds a tree against the schema: unknown, repeated and empty keys, and values of the wrong shape.
//!
//! The schema comes from the typed structs, so there is no second list of keys. All that is wrong is reported,
//! where reading into the structs would stop at the first; and it is mended, so that the rest can be read and judged.

use std::collections::HashMap;

use serde_json::Value;

use super::problem::Field;
use super::tree::Tree;
use super::words::nearest;

/// Reports on `field` and all below it, and puts something empty in the place of what cannot be read into the typed
/// structs; whether there was nothing of that kind. Unknown keys do not hinder the reading.
pub(super) fn check(field: &Field<'_>, tree: &mut Tree, schema: &Value) -> bool {
    let forms = forms(schema);
    let Some(form) = forms.iter().find(|form| fits(tree, form)) else {
        field.refuse(misfit(tree, &forms));
        *tree = empty(&forms);
        return false;
    };
    match tree {
        Tree::Map(entries) => check_map(field, entries, form),
        Tree::List(items) => {
            let item = |(index, tree)| check(&field.index(index), tree, &form["items"]);
            items.iter_mut().enumerate().map(item).fold(true, |all, one| all & one)
        }
        Tree::Scalar(_) | Tree::Null => true,
    }
}

fn check_map(field: &Field<'_>, entries: &mut Vec<(String, Tree)>, form: &Value) -> bool {
    let known: Vec<&str> = form["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut readable = true;
    entries.retain_mut(|(key, value)| {
        let before = seen.entry(key.clone()).or_default();
        let here = field.nth_key(key, *before);
        *before += 1;
        if *before > 1 {
            here.refuse_key("stands here a second time; keep one of the two");
            readable = false;
            return false;
        }
        if let Some(schema) = form["properties"]
            .get(&*key)
            .or_else(|| form["additionalProperties"].as_object().map(|_| &form["additionalProperties"]))
        {
            readable &= check(&here, value, schema);
        } else {
            here.refuse_key(unknown(key, &known));
        }
        true
    });
    readable
}

/// The shapes that a schema allows: itself, or each of its `anyOf`.
fn forms(schema: &Value) -> Vec<&Value> {
    schema["anyOf"].as_array().map_or_else(|| vec![schema], |any| any.iter().flat_map(forms).collect())
}

fn fits(tree: &Tree, form: &Value) -> bool {
    match tree {
        Tree::Null => false,
        Tree::Map(_) => form["type"] == "object",
        Tree::List(_) => form["type"] == "array",
        Tree::Scalar(_) => form["type"] != "object" && form["type"] != "array",
    }
}

/// What is wrong in a way that the conversion would tell of too: a field is reported once.
fn empty(forms: &[&Value]) -> Tree {
    let has = |kind: &str| forms.iter().any(|form| form["type"] == kind);
    match forms.iter().any(|form| form["type"] != "object" && form["type"] != "array") {
        true => Tree::Scalar(String::new()),
        false if has("array") => Tree::List(Vec::new()),
        false => Tree::Map(Vec::new()),
    }
}

fn misfit(tree: &Tree, forms: &[&Value]) -> String {
    if *tree == Tree::Null {
        return "has no value; write one, or take the key out to have its default".to_owned();
    }
    let wanted = |form: &&Value| match form["type"].as_str() {
        Some("object") => "a map",
        Some("array") => "a list",
        _ => "a single value",
    };
    let mut wanted: Vec<_> = forms.iter().map(wanted).collect();
    wanted.dedup();
    format!("is {}, and {} belongs here", tree.kind(), wanted.join(" or "))
}

fn unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(meant) => format!("is not a key; did you mean {meant}?"),
        None => format!("is not a key; here are {}", known.join(", ")),
    }
}
