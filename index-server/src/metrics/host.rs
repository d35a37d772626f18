//! Checks the host name of a request against DNS rebinding: a web page whose own name was pointed at this machine uses that
//! name. Pure.

use std::net::IpAddr;

use hyper::header::HOST;
use hyper::{HeaderMap, Uri};

/// Returns true if the request names the address it was sent to, `localhost` on a loopback address, or one of `names`.
pub(super) fn is_own_host(uri: &Uri, headers: &HeaderMap, to: IpAddr, names: &[String]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return false;
    };
    let is_ours = |host: &str| {
        let name = without_port(host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        match address.parse::<IpAddr>() {
            Ok(address) => address == to,
            Err(_) => {
                (to.is_loopback() && name.eq_ignore_ascii_case("localhost"))
                    || names.iter().any(|known| name.eq_ignore_ascii_case(known))
            }
        }
    };
    is_ours(host) && uri.authority().is_none_or(|authority| is_ours(authority.as_str()))
}

/// Strips the port from a host.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn is_accepted(to: &str, hosts: &[&str], uri: &str) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        is_own_host(&uri.parse().unwrap(), &headers, to.parse().unwrap(), &["index.example".to_owned()])
    }

    #[test]
    fn own_address_localhost_and_given_names_are_accepted() {
        for host in ["127.0.0.1", "127.0.0.1:9313", "localhost", "LOCALHOST:1", "index.example:80"] {
            assert!(is_accepted("127.0.0.1", &[host], "/metrics"), "{host}");
        }
        assert!(is_accepted("::1", &["[::1]:9313"], "/") && is_accepted("10.0.0.1", &["10.0.0.1:9313"], "/"));
        assert!(is_accepted("127.0.0.1", &["localhost"], "http://localhost:9313/metrics"));
    }

    #[test]
    fn foreign_missing_and_duplicate_hosts_are_rejected() {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "localhost.",
            "10.0.0.1",
            "[::1%lo]",
            "",
            "127.0.0.1:80:80",
            "user@localhost",
            "[127.0.0.1]x",
        ] {
            assert!(!is_accepted("127.0.0.1", &[host], "/metrics"), "{host}");
        }
        assert!(
            !is_accepted("127.0.0.1", &[], "/")
                && !is_accepted("127.0.0.1", &["localhost", "localhost"], "/")
        );
        assert!(!is_accepted("10.0.0.1", &["localhost"], "/"));
        assert!(!is_accepted("127.0.0.1", &["localhost"], "http://evil.example/metrics"));
    }
}
