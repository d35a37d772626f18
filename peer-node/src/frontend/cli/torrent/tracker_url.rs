//! Parses tracker URLs from the command line.

use protocol::limits::MAX_TRACKER_URL;

/// The equivalent trackers of one tier (BEP 12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackerTier(pub(super) Vec<String>);

/// Parses URLs separated by commas.
pub(super) fn parse_tier(text: &str) -> Result<TrackerTier, String> {
    text.split(',')
        .map(|address| check_url(address).map(|()| address.to_owned()))
        .collect::<Result<_, _>>()
        .map(TrackerTier)
}

fn check_url(address: &str) -> Result<(), String> {
    if address.len() > MAX_TRACKER_URL {
        return Err(format!("a tracker URL has at most {MAX_TRACKER_URL} bytes"));
    }
    let rest = ["http://", "https://", "udp://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    let rest = rest.filter(|rest| rest.bytes().all(|byte| byte.is_ascii_graphic()));
    let host = rest.and_then(|rest| rest.split(['/', '?', ':']).next());
    match host {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err("expected a URL, e.g. http://127.0.0.1:6969/announce or udp://127.0.0.1:6969".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_scheme_and_a_host() {
        let both = parse_tier("http://a/announce,udp://b:6969").unwrap();
        assert_eq!(both.0, ["http://a/announce", "udp://b:6969"]);
        assert!(parse_tier("https://[::1]:80/announce?key=1").is_ok());
        let long = format!("http://a/{}", "x".repeat(MAX_TRACKER_URL));
        for bad in
            ["", "a", "ftp://a/", "http://", "http:///x", "http://a b/", "http://ä/", "http://a,", &long]
        {
            assert!(parse_tier(bad).is_err(), "{bad}");
        }
    }
}
