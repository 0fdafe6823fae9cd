//! `If-Match` and `If-None-Match` (RFC 9110, section 13) over cas tokens.

use hyper::Method;
use hyper::header::{AsHeaderName, HeaderMap, IF_MATCH, IF_NONE_MATCH};

use super::problem::Problem;
use super::query::digits;

/// The conditions of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Preconditions {
    matches: Option<Tags>,
    none_match: Option<Tags>,
}

#[derive(Debug, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever is there.
    Any,
    /// The tokens that are meant. A tag that is none of ketch's is no item's.
    These { strong: Vec<u64>, weak: Vec<u64> },
}

/// What a write asks of the item that is there, in the node's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing.
    Free,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// There is one with this token.
    Is(u64),
}

/// How a write finds its [`Guard`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The node itself can judge.
    Guard(Guard),
    /// The item has to be looked at first; what was seen is then the guard.
    Look,
    /// It cannot hold.
    Fails,
}

impl Preconditions {
    /// Reads both headers.
    ///
    /// # Errors
    /// 400 when one is no list of entity tags.
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { matches: tags(headers, IF_MATCH)?, none_match: tags(headers, IF_NONE_MATCH)? })
    }

    /// Whether `method` is to be carried out on the item with this token (`None`: there is no item).
    ///
    /// # Errors
    /// 412; or `Ok(false)` for 304, where a read has what it asked for already.
    pub(super) fn judge(&self, method: &Method, current: Option<u64>) -> Result<bool, Problem> {
        if let Some(tags) = &self.matches
            && !tags.holds(current, false)
        {
            return Err(Problem::condition());
        }
        match &self.none_match {
            Some(tags) if tags.holds(current, true) => match *method {
                Method::GET | Method::HEAD => Ok(false),
                _ => Err(Problem::condition()),
            },
            _ => Ok(true),
        }
    }

    /// How a write can keep them without a race.
    pub(super) fn plan(&self) -> Plan {
        match (&self.matches, &self.none_match) {
            (None, None) => Plan::Guard(Guard::Free),
            (Some(Tags::Any), None) => Plan::Guard(Guard::Present),
            (None, Some(Tags::Any)) => Plan::Guard(Guard::Absent),
            (Some(Tags::These { strong, .. }), _) if strong.is_empty() => Plan::Fails,
            (Some(Tags::These { strong, .. }), None) if strong.len() == 1 => Plan::Guard(Guard::Is(strong[0])),
            _ => Plan::Look,
        }
    }
}

impl Tags {
    fn holds(&self, current: Option<u64>, weakly: bool) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These { strong, weak }, Some(token)) => strong.contains(&token) || weakly && weak.contains(&token),
        }
    }
}

fn tags(headers: &HeaderMap, name: impl AsHeaderName + Clone) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for header in headers.get_all(name) {
        let text = header.to_str().map_err(|_| bad())?;
        let tags = found.get_or_insert_with(|| (false, Vec::new(), Vec::new()));
        if text.trim() == "*" {
            tags.0 = true;
            continue;
        }
        list(text, &mut tags.1, &mut tags.2)?;
    }
    Ok(found.map(|(any, strong, weak)| if any { Tags::Any } else { Tags::These { strong, weak } }))
}

/// `"1", W/"2"`
fn list(text: &str, strong: &mut Vec<u64>, weak: &mut Vec<u64>) -> Result<(), Problem> {
    let mut rest = text.trim();
    loop {
        let (tokens, tag) = match rest.strip_prefix("W/") {
            Some(tag) => (&mut *weak, tag),
            None => (&mut *strong, rest),
        };
        let (tag, behind) = match tag.strip_prefix('"') {
            Some(tag) => tag.split_once('"').ok_or_else(bad)?,
            // Shells take the quotes away.
            None => match tag.find(|c: char| !c.is_ascii_digit()).unwrap_or(tag.len()) {
                0 => return Err(bad()),
                end => tag.split_at(end),
            },
        };
        // "07" is another tag than "7"; and 0 is no item's, but asks a node for nothing.
        tokens.extend(digits(tag).filter(|token| *token > 0 && token.to_string() == tag));
        rest = match behind.trim_start().strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if behind.trim_start().is_empty() => return Ok(()),
            None => return Err(bad()),
        };
    }
}

fn bad() -> Problem {
    Problem::bad("If-Match and If-None-Match are * or a list of entity tags, each in double quotes")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn typed(matches: &str, none_match: &str) -> Result<Preconditions, Problem> {
        let mut headers = HeaderMap::new();
        for (name, value) in [(IF_MATCH, matches), (IF_NONE_MATCH, none_match)] {
            if !value.is_empty() {
                headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
        }
        Preconditions::parse(&headers)
    }

    #[test]
    fn a_write_is_judged_by_the_node_where_it_can() {
        for (matches, none_match, plan) in [
            ("", "", Plan::Guard(Guard::Free)),
            ("*", "", Plan::Guard(Guard::Present)),
            ("", "*", Plan::Guard(Guard::Absent)),
            ("\"5\"", "", Plan::Guard(Guard::Is(5))),
            ("\"5\", \"x\"", "", Plan::Guard(Guard::Is(5))),
            ("\"5\",\"6\"", "", Plan::Look),
            ("", "\"5\"", Plan::Look),
            ("\"5\"", "*", Plan::Look),
            ("5", "", Plan::Guard(Guard::Is(5))),
            ("5, W/6 ,\"x\"", "", Plan::Guard(Guard::Is(5))),
            ("W/\"5\"", "", Plan::Fails),
            ("\"abc\"", "", Plan::Fails),
            ("\"05\"", "", Plan::Fails),
            ("\"0\"", "", Plan::Fails),
        ] {
            assert_eq!(typed(matches, none_match).unwrap().plan(), plan, "{matches} {none_match}");
        }
    }

    #[test]
    fn conditions_are_judged_in_the_standard_s_order() {
        let judge = |matches, none_match, method: Method, current| {
            let judged = typed(matches, none_match).unwrap().judge(&method, current);
            judged.map_err(|problem| problem.members()["status"].as_u64().unwrap())
        };
        assert_eq!(judge("", "\"5\"", Method::GET, Some(5)), Ok(false));
        assert_eq!(judge("", "W/\"5\"", Method::GET, Some(5)), Ok(false));
        assert_eq!(judge("", "\"4\", \"5\"", Method::HEAD, Some(5)), Ok(false));
        assert_eq!(judge("", "*", Method::GET, None), Ok(true));
        assert_eq!(judge("", "\"5\"", Method::PUT, Some(5)), Err(412));
        assert_eq!(judge("\"4\"", "\"5\"", Method::GET, Some(5)), Err(412));
        assert_eq!(judge("W/\"5\"", "", Method::PUT, Some(5)), Err(412));
        assert_eq!(judge("*", "", Method::DELETE, None), Err(412));
        assert_eq!(judge("\"5\"", "\"4\"", Method::PUT, Some(5)), Ok(true));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for text in ["x", "5x", " ", "\"5", "\"5\" \"6\"", "\"5\",", "*, \"5\"", "w/\"5\"", "W/"] {
            assert!(typed(text, "").is_err() && typed("", text).is_err(), "{text}");
        }
    }
}
