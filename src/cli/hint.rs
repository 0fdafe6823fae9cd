//! What a command line that cannot be read was probably meant to be.

use std::path::Path;

use clap::Error;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Tells what is wrong with the command line, and ends the process: with 2, or 0 where help was asked for.
pub(super) fn refuse(mut error: Error) -> ! {
    let word = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => word.clone(),
        _ => error.exit(),
    };
    let after = std::env::args().skip_while(|argument| *argument != word).nth(1);
    if let Some(hint) = hint(&word, after.as_deref()) {
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(hint)]));
    }
    error.exit()
}

/// The right words for one who wrote `word`, and perhaps `after` behind it, where a subcommand would be.
fn hint(word: &str, after: Option<&str>) -> Option<String> {
    if matches!(word, "serve" | "run" | "start") {
        let file = after.filter(|after| !after.starts_with('-')).unwrap_or("FILE");
        return Some(format!("ketch serves when no subcommand is given: ketch --config {file}"));
    }
    let is_file = word.ends_with(".yaml") || word.ends_with(".yml") || Path::new(word).is_file();
    is_file.then(|| format!("to serve this file, name it with --config: ketch --config {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_or_serve_in_the_place_of_a_subcommand_leads_to_config() {
        let told = |word, after| hint(word, after).unwrap_or_default();
        assert!(told("ketch.yaml", None).ends_with(": ketch --config ketch.yaml"));
        assert!(told("serve", Some("f.yml")).ends_with(": ketch --config f.yml"));
        assert!(told("serve", Some("--workers")).ends_with(": ketch --config FILE"));
        assert_eq!(hint("chek", Some("f.yml")), None);
    }
}
