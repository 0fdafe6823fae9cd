//! What is wrong with a file: collected with the field, told with the place.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;

use super::setting::{Setting, Typed};
use super::tree::{FieldPath, Part, Place};

/// Why there is no [`Config`](super::Config).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The file says something that is not valid; one line a problem, in the order of the file.
    #[error("{}", lines(problems))]
    Invalid {
        /// At least one.
        problems: Vec<Problem>,
    },
}

/// One thing that is wrong with a file, printed as `FILE:LINE:COLUMN: FIELD: what is wrong; what would be right`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub origin: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The field, as `pools.main.nodes[1].weight`; empty when the file as a whole is meant.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Everything found so far; sections add to it and carry on.
#[derive(Debug, Default)]
pub(super) struct Report(RefCell<Vec<Finding>>);

#[derive(Debug)]
struct Finding {
    path: FieldPath,
    part: Part,
    message: String,
    /// Whether `path` is not written: see [`Report::into_error`].
    missing: bool,
}

/// One field, by its path, and the report that takes what is wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    report: &'a Report,
    path: FieldPath,
}

impl Report {
    pub fn root(&self) -> Field<'_> {
        Field { report: self, path: FieldPath::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// The findings with their places in `text`, in its order, the first for each field only.
    ///
    /// That something is missing is not said where a key next to it was not understood: the two are most likely one
    /// slip of the pen. Nor is it said of what lies in something that was not understood, or has that in itself.
    pub fn into_error(self, text: &str, origin: &str) -> ConfigError {
        let findings = self.0.into_inner();
        let explained = |one: &Finding| {
            let slip = |other: &Finding| other.part == Part::Key && other.path.parent() == one.path.parent();
            let around = |other: &Finding| other.path.starts_with(&one.path) || one.path.starts_with(&other.path);
            one.missing && findings.iter().any(|other| !other.missing && (slip(other) || around(other)))
        };
        let repeated = |index: usize| findings[..index].iter().any(|earlier| earlier.path == findings[index].path);
        let mut problems: Vec<_> = findings
            .iter()
            .enumerate()
            .filter(|(index, finding)| !explained(finding) && !repeated(*index))
            .map(|(_, finding)| finding.locate(text, origin))
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        ConfigError::Invalid { problems }
    }

    fn add(&self, path: FieldPath, part: Part, message: String, missing: bool) {
        self.0.borrow_mut().push(Finding { path, part, message, missing });
    }
}

impl Finding {
    /// A field that is not written stands where the nearest map around it does.
    fn locate(&self, text: &str, origin: &str) -> Problem {
        let mut around = self.path.clone();
        let mut place = around.locate(text, self.part);
        while place.is_none() && around != FieldPath::default() {
            around = around.parent();
            place = around.locate(text, Part::Key);
        }
        let Place { line, column } = place.unwrap_or(Place { line: 1, column: 1 });
        let (field, message) = (self.path.to_string(), self.message.clone());
        Problem { origin: origin.to_owned(), line, column, field, message }
    }
}

impl<'a> Field<'a> {
    /// The file as a whole.
    pub fn top(&self) -> Self {
        self.report.root()
    }

    pub fn key(&self, name: &str) -> Self {
        Self { report: self.report, path: self.path.key(name) }
    }

    pub fn nth_key(&self, name: &str, nth: usize) -> Self {
        Self { report: self.report, path: self.path.nth_key(name, nth) }
    }

    pub fn index(&self, index: usize) -> Self {
        Self { report: self.report, path: self.path.index(index) }
    }

    /// Whether nothing is wrong with this field and all below it so far.
    pub fn is_clean(&self) -> bool {
        !self.report.0.borrow().iter().any(|finding| finding.path.starts_with(&self.path))
    }

    /// The value is wrong.
    pub fn refuse(&self, message: impl Into<String>) {
        self.report.add(self.path.clone(), Part::Value, message.into(), false);
    }

    /// The key should not be there.
    pub fn refuse_key(&self, message: impl Into<String>) {
        self.report.add(self.path.clone(), Part::Key, message.into(), false);
    }

    /// The field is not there and should be.
    pub fn miss(&self, message: impl Into<String>) {
        self.report.add(self.path.clone(), Part::Key, message.into(), true);
    }

    /// What was typed under the key `name`; `None` when nothing was, or nothing right.
    pub fn read<S: Setting>(&self, name: &str, typed: &Typed<S>) -> Option<S::Valid> {
        self.key(name).read_here(typed)
    }

    /// As [`Field::read`], with a default.
    pub fn read_or<S: Setting>(&self, name: &str, typed: &Typed<S>, default: S::Valid) -> S::Valid {
        self.read(name, typed).unwrap_or(default)
    }

    /// What was typed as this field itself.
    pub fn read_here<S: Setting>(&self, typed: &Typed<S>) -> Option<S::Valid> {
        S::read(typed.text()?).map_err(|message| self.refuse(message)).ok()
    }
}

impl fmt::Display for Problem {
    /// Always one line, whatever was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.origin, self.line, self.column)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", printable(&self.field))?;
        }
        f.write_str(&printable(&self.message))
    }
}

fn printable(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escape).collect()
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "b: 1\na:\n  c: 2\n";

    fn told(findings: impl FnOnce(&Field<'_>)) -> Vec<String> {
        let report = Report::default();
        findings(&report.root());
        report.into_error(TEXT, "f").to_string().lines().map(str::to_owned).collect()
    }

    #[test]
    fn problems_stand_in_the_order_of_the_file_and_once_a_field() {
        let lines = told(|root| {
            root.key("a").key("c").refuse("first");
            root.key("b").refuse_key("second");
            root.key("a").key("c").refuse("again");
        });
        assert_eq!(lines, ["f:1:1: b: second", "f:3:6: a.c: first"]);
    }

    #[test]
    fn a_problem_is_one_line() {
        assert_eq!(
            told(|root| root.key("a").key("x\ny").refuse("\"\u{1b}\" is wrong")),
            ["f:2:1: a.x\\ny: \"\\u{1b}\" is wrong"]
        );
    }

    #[test]
    fn what_is_missing_stands_where_it_would_belong() {
        assert_eq!(told(|root| root.key("a").key("d").miss("gone")), ["f:2:1: a.d: gone"]);
        assert_eq!(told(|root| root.key("d").miss("gone")), ["f:1:1: d: gone"]);
    }

    #[test]
    fn a_misspelt_key_is_not_reported_as_missing_too() {
        let lines = told(|root| {
            root.key("a").key("c").refuse_key("is not a key");
            root.key("a").key("d").miss("gone");
        });
        assert_eq!(lines, ["f:3:3: a.c: is not a key"]);
    }
}
