//! What ketch says of itself: the page at `/`, and the description of everything else.

use hyper::Response;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};

use super::content::Content;

const PAGE: &str = include_str!("page.html");

/// OpenAPI 3.1, without the version of the program.
const DESCRIPTION: &str = include_str!("openapi.json");

/// Where the commands of the page ask when the client does not say where it came from.
const HERE: &str = "localhost:11280";

/// A page with the commands to try, at the address by which the client came.
pub(super) fn page(host: Option<&str>) -> Response<Content> {
    let is_plain = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
    let host = host.filter(is_plain).unwrap_or(HERE);
    let mut response = respond("text/html; charset=utf-8", PAGE.replace(HERE, host));
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// The description, for people and for programs.
pub(super) fn description() -> Response<Content> {
    respond("application/json", DESCRIPTION.replace("\"VERSION\"", concat!("\"", env!("CARGO_PKG_VERSION"), "\"")))
}

fn respond(media_type: &'static str, text: impl Into<bytes::Bytes>) -> Response<Content> {
    let mut response = Response::new(Content::whole(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::routes::ROUTES;
    use super::*;

    #[test]
    fn every_route_is_described_with_its_methods_and_parameters() {
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let paths = description["paths"].as_object().unwrap();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            let path = &paths[route.path];
            let methods: Vec<_> =
                ["get", "head", "put", "delete", "post"].into_iter().filter(|m| path.get(m).is_some()).collect();
            assert_eq!(format!("{}, OPTIONS", methods.join(", ").to_uppercase()), route.allow, "{}", route.path);
            for method in methods {
                let named = path[method]["parameters"].as_array().into_iter().flatten();
                let named = named.map(|one| description.pointer(&one["$ref"].as_str().unwrap()[1..]).unwrap());
                let mut named: Vec<_> =
                    named.filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap()).collect();
                named.sort_unstable();
                assert_eq!(named, route.parameters(&method.to_uppercase().parse().unwrap()), "{method} {}", route.path);
            }
        }
    }

    #[tokio::test]
    async fn the_page_asks_where_the_client_did_and_repeats_nothing_odd() {
        use http_body_util::BodyExt;
        for (host, shown) in [("cache:80", "cache:80/v1"), ("<script>", "localhost:11280/v1")] {
            let page = page(Some(host)).into_body();
            let Ok(page) = page.collect().await;
            let text = String::from_utf8(page.to_bytes().to_vec()).unwrap();
            assert!(text.contains(shown) && !text.contains("<script>"), "{text}");
        }
    }

    #[test]
    fn the_page_shows_what_is_there() {
        for path in ["/v1/keys/", "/incr", "/v1/batch/get", "/v1/stats", "/openapi.json"] {
            assert!(PAGE.contains(path), "{path}");
        }
    }
}
