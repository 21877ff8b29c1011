//! Which host a request is for, where one address stands for all of Google's.
//!
//! A simulated cloud has one address, and paths of different APIs collide (`/v1/projects/P/locations/L/instances/I` is Redis's and
//! Filestore's). So a client that cannot send a host of Google's writes it into the path: `/apis/HOST/PATH` is `PATH` at `HOST`, in
//! every respect: for faults, permissions and the list of requests too.

use axum::extract::Request;
use axum::http::Uri;

/// What a path with a host in it begins with.
const PREFIX: &str = "/apis/";

/// What every host of an API ends with.
const DOMAIN: &str = ".googleapis.com";

/// The host and the rest, if the path has a host of Google's in it. Cloud Run's Knative paths begin with `/apis/` too, and no host.
pub(in crate::sim) fn host_in(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PREFIX)?;
    let (host, after) = rest.split_at(rest.find('/')?);
    let is_host =
        host.ends_with(DOMAIN) && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    is_host.then_some((host, after))
}

/// The same request with the host of its path as its own: in absolute form, as a proxy gets it.
pub(super) fn at_its_host(mut request: Request) -> Request {
    let uri = host_in(request.uri().path()).and_then(|(host, path)| moved(request.uri(), Some(host), path));
    if let Some(uri) = uri {
        *request.uri_mut() = uri;
    }
    request
}

/// The same request with its host in the path, where routes that are for a host are.
pub(super) fn below_its_host(mut request: Request, host: &str) -> Request {
    let uri = moved(request.uri(), None, &format!("{PREFIX}{host}{}", request.uri().path()));
    if let Some(uri) = uri {
        *request.uri_mut() = uri;
    }
    request
}

fn moved(uri: &Uri, host: Option<&str>, path: &str) -> Option<Uri> {
    let whole = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    match host {
        Some(host) => {
            Uri::builder().scheme("http").authority(host.to_ascii_lowercase()).path_and_query(whole).build().ok()
        }
        None => whole.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn a_host_in_the_path_is_the_host_of_the_request() {
        for (path, moved) in [
            ("/apis/redis.googleapis.com/v1/a%2Fb?x=%26", "http://redis.googleapis.com/v1/a%2Fb?x=%26"),
            ("/apis/US-central1-aiplatform.googleapis.com/v1/a", "http://us-central1-aiplatform.googleapis.com/v1/a"),
            (
                "/apis/serving.knative.dev/v1/namespaces/p/services",
                "/apis/serving.knative.dev/v1/namespaces/p/services",
            ),
            ("/apis/redis.googleapis.com", "/apis/redis.googleapis.com"),
            ("/apis/x@redis.googleapis.com/v1", "/apis/x@redis.googleapis.com/v1"),
            ("/v1/apis/redis.googleapis.com/v1", "/v1/apis/redis.googleapis.com/v1"),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            let at_host = at_its_host(request);
            assert_eq!(at_host.uri().to_string(), moved);
            if let Some(host) = at_host.uri().host().map(str::to_owned) {
                let back = below_its_host(at_host, &host);
                assert!(back.uri().to_string().eq_ignore_ascii_case(path), "{}", back.uri());
            }
        }
    }
}
