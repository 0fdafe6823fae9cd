//! How long an item lives: seconds in HTTP, memcached's expiry below.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{CACHE_CONTROL, HeaderMap};

use super::problem::Problem;
use super::query::{Query, digits};

/// Up to so many seconds memcached takes from now; above, they are a Unix time.
const MONTH: u64 = 60 * 60 * 24 * 30;

/// The life that `?ttl=` gives, or else `Cache-Control: max-age=`, as memcached writes it.
///
/// `?ttl=0` is for ever, as memcached has it; `max-age=0` is gone at once, as HTTP has it. Lives that end behind 2038,
/// where memcached's clock does, are for ever.
///
/// # Errors
/// 400 when either is no number.
pub(super) fn expiry(query: &Query, headers: &HeaderMap) -> Result<Option<i32>, Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if let Some(seconds) = query.number("ttl")? {
        return Ok(Some(from_now(seconds, now)));
    }
    Ok(max_age(headers)?.map(|seconds| if seconds == 0 { -1 } else { from_now(seconds, now) }))
}

fn from_now(seconds: u64, now: u64) -> i32 {
    let expiry = if seconds <= MONTH { seconds } else { now.saturating_add(seconds) };
    i32::try_from(expiry).unwrap_or(0)
}

fn max_age(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let bad = || Problem::bad("Cache-Control: max-age= has a number of seconds");
    for header in headers.get_all(CACHE_CONTROL) {
        let text = header.to_str().map_err(|_| Problem::bad("Cache-Control has bytes that are no text"))?;
        for directive in text.split(',') {
            let (name, value) = directive.trim().split_once('=').unwrap_or((directive.trim(), ""));
            if name.eq_ignore_ascii_case("max-age") {
                return digits(value.trim_matches('"')).map(Some).ok_or_else(bad);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn typed(query: &str, cache_control: &str) -> Result<Option<i32>, Problem> {
        let mut headers = HeaderMap::new();
        if !cache_control.is_empty() {
            headers.insert(CACHE_CONTROL, HeaderValue::from_str(cache_control).unwrap());
        }
        expiry(&Query::parse(Some(query), &["ttl"]).unwrap(), &headers)
    }

    #[test]
    fn the_query_goes_before_the_header() {
        assert_eq!(typed("", ""), Ok(None));
        assert_eq!(typed("ttl=60", "max-age=5"), Ok(Some(60)));
        assert_eq!(typed("", "no-transform, Max-Age=5"), Ok(Some(5)));
        assert_eq!(typed("", "no-cache"), Ok(None));
        assert_eq!(typed("ttl=0", ""), Ok(Some(0)));
        assert_eq!(typed("", "max-age=0"), Ok(Some(-1)));
        assert!(typed("ttl=1m", "").is_err() && typed("", "max-age=soon").is_err() && typed("", "max-age").is_err());
    }

    #[test]
    fn a_long_life_is_a_date() {
        let now = 1_800_000_000;
        for (seconds, expiry) in
            [(MONTH, 2_592_000), (MONTH + 1, 1_802_592_001), (347_483_647, i32::MAX), (347_483_648, 0), (u64::MAX, 0)]
        {
            assert_eq!(from_now(seconds, now), expiry, "{seconds}");
        }
    }
}
