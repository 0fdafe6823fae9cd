//! Keys that the design has and this version does nothing with: they are refused, not ignored.
//!
//! When a feature lands, its line here goes, and with it every refusal.

use super::problem::Field;
use super::tree::Tree;

/// The field (`*` is any name), the one value that is meant (any, when there is none), and what is to come.
const NOT_YET: &[(&str, Option<&str>, &str)] = &[("pools.*.handover", None, "asking the old owner after a change")];

/// The fields of which every value is refused, as patterns.
pub(super) fn fields() -> impl Iterator<Item = &'static str> {
    NOT_YET.iter().filter(|(_, value, _)| value.is_none()).map(|(pattern, _, _)| *pattern)
}

/// Refuses the field if it stands in the table. An empty list asks for nothing and may stay.
pub(super) fn refuse(field: &Field<'_>, value: &Tree) {
    if *value == Tree::List(Vec::new()) {
        return;
    }
    let meant = |only: &Option<&str>| only.is_none_or(|only| *value == Tree::Scalar(only.to_owned()));
    let found = NOT_YET.iter().find(|(pattern, only, _)| field.path().fits(pattern) && meant(only));
    let Some((_, only, feature)) = found else { return };
    let version = env!("CARGO_PKG_VERSION");
    match only {
        None => field.refuse_key(format!("ketch {version} does nothing with this key yet ({feature}); take it out")),
        Some(only) => {
            field.refuse(format!("ketch {version} does not have {only} yet ({feature}); write another value"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::problem::Report;
    use super::*;

    fn refusals(path: &[&str], value: &Tree) -> bool {
        let report = Report::default();
        let field = path.iter().fold(report.root(), |field, key| field.key(key));
        refuse(&field, value);
        !report.is_empty()
    }

    /// Holds while the table has an entry; each that goes takes its own line with it.
    #[test]
    fn every_entry_of_the_table_is_refused() {
        for (pattern, only, _) in NOT_YET {
            let path: Vec<_> = pattern.split('.').map(|key| if key == "*" { "any" } else { key }).collect();
            assert!(refusals(&path, &Tree::Scalar(only.unwrap_or("x").to_owned())), "{pattern}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_passes() {
        assert!(!refusals(&["workers"], &Tree::Scalar("2".into())));
        assert!(!refusals(&["pools", "a", "protocol"], &Tree::Scalar("memcached".into())));
        assert!(!refusals(&["listeners", "http"], &Tree::List(vec![])));
    }
}
