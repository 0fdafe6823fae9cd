//! On whose behalf a request comes.
//!
//! A web page can have its browser ask for whatever is at this address. What another site asks for, the browser does not
//! show to it; but whoever owns a name can have it lead here (DNS rebinding), and then his page and this server are of
//! one site. So only addresses, `localhost` and the name that the server was told to listen on prove anything.

use hyper::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::{Request, Uri};

use crate::model::Endpoint;

/// Whether the request was addressed to this server and not to a name that leads here. Who names no host is no browser,
/// and no browser asks a unix socket.
pub(super) fn is_for<B>(request: &Request<B>, bound: Option<&Endpoint>) -> bool {
    let Some(Endpoint::Tcp { host: own, .. }) = bound else { return true };
    let named = request.uri().host().or_else(|| header(request, HOST));
    named.is_none_or(|named| is_own(named, own))
}

/// Whether a post may do something: browsers say on whose behalf they post, others say nothing.
pub(super) fn is_from_here<B>(request: &Request<B>, bound: Option<&Endpoint>) -> bool {
    let Some(origin) = header(request, ORIGIN) else { return true };
    let from = origin.split_once("://").map(|(_, from)| from);
    from.is_some() && from == header(request, HOST) && is_for(request, bound)
}

fn header<B>(request: &Request<B>, name: HeaderName) -> Option<&str> {
    // One that is no text is nobody's.
    request.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default())
}

fn is_own(named: &str, own: &str) -> bool {
    let Some(host) = named.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)) else { return false };
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.eq_ignore_ascii_case(own) || host.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &[&str] = &[
        "127.0.0.1:11290",
        "127.0.0.1",
        "[::1]:11290",
        "[::1]",
        "10.1.2.3:80",
        "localhost:11290",
        "LocalHost",
        "Cache-1:9",
    ];
    const ELSEWHERE: &[&str] =
        &["rebound.example:11290", "127.0.0.1.example", "", "[::1", "a b", "localhost.example", "::1"];

    fn bound() -> Option<Endpoint> {
        Some("cache-1:11290".parse().unwrap())
    }

    fn request(headers: &[(HeaderName, &str)]) -> Request<()> {
        let builder = headers.iter().fold(Request::builder(), |builder, (name, value)| builder.header(name, *value));
        builder.body(()).unwrap()
    }

    #[test]
    fn a_name_that_leads_here_is_not_this_server() {
        for host in HERE {
            assert!(is_for(&request(&[(HOST, host)]), bound().as_ref()), "{host}");
        }
        for host in ELSEWHERE {
            assert!(!is_for(&request(&[(HOST, host)]), bound().as_ref()), "{host}");
            assert!(is_for(&request(&[(HOST, host)]), Some(&Endpoint::Unix("/run/ketch".into()))), "{host}");
        }
        assert!(is_for(&request(&[]), bound().as_ref()));
        let absolute = Request::builder().uri("http://rebound.example/").header(HOST, "localhost").body(()).unwrap();
        assert!(!is_for(&absolute, bound().as_ref()));
    }

    #[test]
    fn a_page_may_post_only_where_it_came_from() {
        let posts =
            |origin: &str, host: &str| is_from_here(&request(&[(ORIGIN, origin), (HOST, host)]), bound().as_ref());
        for host in HERE {
            assert!(posts(&format!("http://{host}"), host), "{host}");
            assert!(!posts("http://elsewhere.example", host) && !posts("null", host) && !posts(host, host), "{host}");
        }
        for host in ELSEWHERE {
            assert!(!posts(&format!("http://{host}"), host), "{host}");
        }
        assert!(is_from_here(&request(&[(HOST, "any")]), bound().as_ref()));
        assert!(!is_from_here(&request(&[(ORIGIN, "http://localhost")]), bound().as_ref()));
    }
}
