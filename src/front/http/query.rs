//! The parameters behind the `?`: each known, each once, each whole.

use super::problem::Problem;
use super::target::decode;

/// What a request's query says.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query of a resource that has the parameters `known`. A misspelt `ttl` must not store for ever.
    ///
    /// # Errors
    /// 400 when a parameter is not known, or there twice, or not UTF-8.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let text = |text| {
            let bytes = decode(text)?;
            String::from_utf8(bytes).map_err(|_| Problem::bad("the query is not UTF-8"))
        };
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (text(name)?, text(value)?);
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(Problem::bad(format!("there is no parameter \"{name}\" here; there is {known}")));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(Problem::bad(format!("the parameter \"{name}\" is there twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The parameter as it was typed.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The parameter as a decimal number.
    ///
    /// # Errors
    /// 400 when it is none, or over 2⁶⁴ − 1.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match digits(text) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::bad(format!("{name} is a whole number from 0 to {}, not \"{text}\"", u64::MAX))),
        }
    }
}

/// A number that is written in decimal digits and nothing else.
pub(super) fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parameters_are_read() {
        let query = Query::parse(Some("by=5&type=image%2Fsvg+xml&&ttl"), &["by", "type", "ttl"]).unwrap();
        assert_eq!(query.number("by"), Ok(Some(5)));
        assert_eq!(query.text("type"), Some("image/svg+xml"));
        assert_eq!(query.text("initial"), None);
        assert!(query.number("ttl").is_err(), "an empty number");
    }

    #[test]
    fn a_query_with_a_mistake_is_refused() {
        for query in ["tll=60", "by=1&by=2", "by=%", "by=%ff"] {
            assert!(Query::parse(Some(query), &["by", "ttl"]).is_err(), "{query}");
        }
        for number in ["-1", "+1", " 1", "1.0", "18446744073709551616"] {
            assert!(Query::parse(Some(&format!("by={number}")), &["by"]).unwrap().number("by").is_err(), "{number}");
        }
    }
}
