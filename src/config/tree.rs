//! A YAML text as a tree that keeps what the typed structs cannot hold: repeated keys, and where things stand.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Any YAML value; a map keeps every key in the order typed, repeated ones too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, a number or a truth value.
    Scalar(String),
    /// `[a, b]` or `- a`.
    List(Vec<Tree>),
    /// `key: value`.
    Map(Vec<(String, Tree)>),
}

/// The way from the top of the file to one field, printed as `pools.main.nodes[1].weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A key of a map, and how many of the same name stand before it.
    Key(String, usize),
    Index(usize),
}

/// Which part of a field an error points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

/// A place in the text; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub line: usize,
    pub column: usize,
}

impl Tree {
    /// The kind of value in words, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Reads it as the text would be, but that numbers stand as YAML understood them.
    ///
    /// # Errors
    /// When it has not the shape of `T`.
    pub fn read<T: serde::de::DeserializeOwned>(self) -> serde_json::Result<T> {
        serde_json::from_value(self.into())
    }
}

impl From<Tree> for serde_json::Value {
    fn from(tree: Tree) -> Self {
        match tree {
            Tree::Null => Self::Null,
            Tree::Scalar(text) => Self::String(text),
            Tree::List(list) => list.into_iter().map(Self::from).collect(),
            Tree::Map(map) => map.into_iter().map(|(key, value)| (key, Self::from(value))).collect(),
        }
    }
}

impl FieldPath {
    pub fn key(&self, name: &str) -> Self {
        self.nth_key(name, 0)
    }

    /// The key `name` that has `nth` others of its name before it in the same map.
    pub fn nth_key(&self, name: &str, nth: usize) -> Self {
        self.with(Step::Key(name.to_owned(), nth))
    }

    pub fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    pub fn parent(&self) -> Self {
        Self(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }

    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Where the field stands in `text`; `None` when it is not written there.
    ///
    /// The YAML crate gives places only to errors, so this reads the text once more and fails on purpose when it
    /// comes to the field.
    pub fn locate(&self, text: &str, part: Part) -> Option<Place> {
        let find = Find { steps: &self.0, part };
        let error = find.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
        error.to_string().contains(FOUND).then_some(())?;
        error.location().map(|place| Place { line: place.line(), column: place.column() })
    }

    fn with(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(name, _) if depth == 0 => f.write_str(name)?,
                Step::Key(name, _) => write!(f, ".{name}")?,
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a !tag")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

/// What the error says that [`FieldPath::locate`] raises where it wanted to go.
const FOUND: &str = "the field that is looked for";

/// Walks to a field and fails there.
#[derive(Clone, Copy)]
struct Find<'a> {
    steps: &'a [Step],
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps {
            [] => deserializer.deserialize_any(Arrived),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Index(wanted), rest)) = self.steps.split_first() else { return Ok(()) };
        for _ in 0..*wanted {
            if access.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        access.next_element_seed(Find { steps: rest, ..self }).map(|_| ())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((Step::Key(name, nth), rest)) = self.steps.split_first() else { return Ok(()) };
        let mut before = 0;
        let stop_at_key = rest.is_empty() && self.part == Part::Key;
        while let Some(same) = access.next_key_seed(FindKey { name, stop: stop_at_key && before == *nth })? {
            if same && before == *nth {
                return access.next_value_seed(Find { steps: rest, ..self });
            }
            before += usize::from(same);
            access.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Says whether a key is `name`; fails on it when it is to `stop` there.
struct FindKey<'a> {
    name: &'a str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for FindKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FindKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.name {
            true if self.stop => Err(E::custom(FOUND)),
            same => Ok(same),
        }
    }
}

/// Takes no value at all, so that the YAML crate raises an error that carries the place.
struct Arrived;

impl Visitor<'_> for Arrived {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FOUND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
a: 1
b:
  - x
  - {c: d, e: f}
  - \"[\" # a bracket: that is none
g: &anchor {h: i}
a: 2
j: *anchor
k: {1.50: true, l: ~}
";

    fn root() -> FieldPath {
        FieldPath::default()
    }

    #[test]
    fn the_tree_keeps_order_and_repeated_keys() {
        let Tree::Map(map) = serde_yaml::from_str(TEXT).unwrap() else { panic!("a map") };
        let keys: Vec<_> = map.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "g", "a", "j", "k"]);
        assert_eq!(map[4].1, Tree::Map(vec![("h".into(), Tree::Scalar("i".into()))]));
        assert_eq!(map[5].1, Tree::Map(vec![("1.50".into(), Tree::Scalar("true".into())), ("l".into(), Tree::Null)]));
    }

    #[test]
    fn every_field_is_found_where_it_stands() {
        for (path, part, line, column) in [
            (root().key("a"), Part::Key, 1, 1),
            (root().key("a"), Part::Value, 1, 4),
            (root().nth_key("a", 1), Part::Key, 7, 1),
            (root().nth_key("a", 1), Part::Value, 7, 4),
            (root().key("b").index(0), Part::Value, 3, 5),
            (root().key("b").index(1).key("e"), Part::Key, 4, 12),
            (root().key("b").index(1).key("e"), Part::Value, 4, 15),
            (root().key("b").index(2), Part::Value, 5, 5),
            (root().key("k").key("1.50"), Part::Key, 9, 5),
            (root().key("j"), Part::Key, 8, 1),
        ] {
            assert_eq!(path.locate(TEXT, part), Some(Place { line, column }), "{path} {part:?}");
        }
    }

    #[test]
    fn what_is_not_written_has_no_place() {
        for path in [root().key("z"), root().key("b").index(9), root().key("a").key("b"), root().nth_key("a", 2)] {
            assert_eq!(path.locate(TEXT, Part::Key), None, "{path}");
        }
    }

    #[test]
    fn a_path_prints_as_people_write_it() {
        assert_eq!(
            root().key("pools").key("main").key("nodes").index(1).key("weight").to_string(),
            "pools.main.nodes[1].weight"
        );
    }
}
