//! Parses the announce URLs of trackers.

use std::fmt;

use protocol::escape::excerpt;
use protocol::limits::MAX_TRACKER_URL;
use reqwest::Url;

/// Address and protocol of a tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrackerAddress {
    /// HTTP, with or without TLS.
    Http(Url),
    /// UDP: host and port, and the path and query, which are sent in the announce (BEP 41).
    Udp { host: String, port: u16, url_data: String },
}

/// Why a URL is not that of a supported tracker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TrackerUrlError {
    /// The text is not a URL.
    #[error("{url} is not a URL")]
    InvalidUrl { url: String },
    /// The scheme is not http, https or udp.
    #[error("{scheme} trackers are not supported, only http, https and udp")]
    UnsupportedScheme { scheme: String },
    /// The URL contains credentials, which would be sent to the host.
    #[error("URLs with user names are not supported")]
    UserName,
    /// The URL has no host, or no port where the scheme has no default.
    #[error("{url} has no host or no port")]
    NoHost { url: String },
}

impl TrackerAddress {
    /// Parses the announce URL of a tracker.
    pub(super) fn parse(url: &str) -> Result<Self, TrackerUrlError> {
        if url.len() > MAX_TRACKER_URL {
            return Err(TrackerUrlError::InvalidUrl { url: excerpt(url) });
        }
        Self::from_url(Url::parse(url).map_err(|_| TrackerUrlError::InvalidUrl { url: excerpt(url) })?)
    }

    /// Checks a URL of a tracker or of a redirect.
    pub(super) fn from_url(url: Url) -> Result<Self, TrackerUrlError> {
        if !matches!(url.scheme(), "http" | "https" | "udp") {
            return Err(TrackerUrlError::UnsupportedScheme { scheme: excerpt(url.scheme()) });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TrackerUrlError::UserName);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).map(str::to_owned);
        match (host, url.port_or_known_default()) {
            (Some(host), Some(port)) if port != 0 => Ok(if url.scheme() == "udp" {
                let url_data = path_and_query(&url);
                Self::Udp { host, port, url_data }
            } else {
                Self::Http(url)
            }),
            _ => Err(TrackerUrlError::NoHost { url: excerpt(url.as_str()) }),
        }
    }
}

/// Returns the path and query of a URL; empty if both are trivial.
fn path_and_query(url: &Url) -> String {
    match (url.path(), url.query().unwrap_or_default()) {
        ("" | "/", "") => String::new(),
        (path, "") => path.to_owned(),
        (path, query) => format!("{path}?{query}"),
    }
}

/// Returns the scheme, host and port of a tracker, usable or not, safe to display. The rest of the URL may contain a secret passkey.
pub(super) fn shown_name(url: &str) -> String {
    if let Ok(address) = TrackerAddress::parse(url) {
        return address.to_string();
    }
    let origin = |url: Url| url.host_str().map(|host| excerpt(&format!("{}://{host}", url.scheme())));
    Url::parse(url).ok().and_then(origin).unwrap_or_else(|| "(invalid URL)".to_owned())
}

/// Shows scheme, host and port only: the rest may contain a secret passkey.
impl fmt::Display for TrackerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port, .. } => write!(f, "udp://{host}:{port}"),
            Self::Http(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_show_neither_passkeys_nor_passwords() {
        for (url, name) in [
            ("https://t.example:8443/0123456789abcdef/announce?x=1", "https://t.example:8443"),
            ("udp://t.example:6969/secret", "udp://t.example:6969"),
            ("http://user:secret@t.example/announce", "http://t.example"),
            ("wss://t.example/secret", "wss://t.example"),
            ("http://\u{1b}[2J/secret", "(invalid URL)"),
            ("secret", "(invalid URL)"),
        ] {
            assert_eq!(shown_name(url), name);
        }
    }

    #[test]
    fn the_displayed_address_holds_no_secret() {
        for (url, shown) in [
            ("http://tracker.example/announce?passkey=secret", "http://tracker.example"),
            ("HTTPS://Tracker.Example:8443/secret/announce", "https://tracker.example:8443"),
            ("udp://tracker.example:6969/announce", "udp://tracker.example:6969"),
            ("udp://[::1]:6969", "udp://[::1]:6969"),
            ("http://[::1]:6969/announce", "http://[::1]:6969"),
            ("http://xn--pple-43d.example/announce", "http://xn--pple-43d.example"),
            ("http://аpple.example/announce", "http://xn--pple-43d.example"),
        ] {
            assert_eq!(TrackerAddress::parse(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn unsupported_urls_get_explanatory_errors() {
        for (url, expected) in [
            ("file:///etc/passwd", "file trackers are not supported, only http, https and udp"),
            ("wss://t.example/", "wss trackers are not supported, only http, https and udp"),
            ("http://me:secret@t.example/announce", "URLs with user names are not supported"),
            ("udp://t.example/announce", "udp://t.example/announce has no host or no port"),
            ("udp://t.example:0", "udp://t.example:0 has no host or no port"),
            ("http://", "http:// is not a URL"),
            ("tracker", "tracker is not a URL"),
            ("http://t:99999/", "http://t:99999/ is not a URL"),
        ] {
            assert_eq!(TrackerAddress::parse(url).unwrap_err().to_string(), expected);
        }
        let long = format!("http://t.example/{}", "x".repeat(64 << 10));
        assert!(matches!(TrackerAddress::parse(&long), Err(TrackerUrlError::InvalidUrl { .. })));
    }

    #[test]
    fn a_url_cannot_inject_into_the_request() {
        let address = TrackerAddress::parse("http://t.example/a\r\nHost: x/announce").unwrap();
        let TrackerAddress::Http(url) = address else { panic!("{address}") };
        assert!(!url.as_str().contains(['\r', '\n', ' ']));
    }

    #[test]
    fn path_and_query_become_udp_url_data() {
        for (url, sent) in [
            ("udp://t.example:6969", ""),
            ("udp://t.example:6969/", ""),
            ("udp://t.example:6969/announce", "/announce"),
            ("udp://t.example:6969/announce?passkey=s%20t&x=1#here", "/announce?passkey=s%20t&x=1"),
            ("udp://t.example:6969?passkey=1", "?passkey=1"),
            ("udp://t.example:6969/a b\n", "/a%20b"),
        ] {
            let TrackerAddress::Udp { url_data, .. } = TrackerAddress::parse(url).unwrap() else {
                panic!("{url}")
            };
            assert_eq!(url_data, sent, "{url}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text: String) {
            let _ = TrackerAddress::parse(&text);
        }
    }
}
