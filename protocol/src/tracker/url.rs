//! Tracker URLs, as far as the protocol defines them.

/// Adds a query to a tracker URL, which may already have a query and a fragment.
pub fn with_query(url: &str, query: &str) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let joint = match url.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, old)) if old.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{joint}{query}")
}

/// Derives the scrape URL from an announce URL: the last path component must begin with `announce`, which is replaced
/// by `scrape` (BEP 48). Other trackers do not support scraping.
pub fn scrape_url(announce: &str) -> Option<String> {
    let path_end = announce.find(['?', '#']).unwrap_or(announce.len());
    let (path, rest) = announce.split_at_checked(path_end)?;
    let (folder, name) = path.rsplit_once('/')?;
    let after = name.strip_prefix("announce")?;
    Some(format!("{folder}/scrape{after}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_is_appended_to_any_url() {
        for (url, expected) in [
            ("http://t/announce", "http://t/announce?q=1"),
            ("http://t/announce?", "http://t/announce?q=1"),
            ("http://t/announce?passkey=x", "http://t/announce?passkey=x&q=1"),
            ("http://t/announce?passkey=x&", "http://t/announce?passkey=x&q=1"),
            ("http://t/announce#here", "http://t/announce?q=1"),
            ("", "?q=1"),
        ] {
            assert_eq!(with_query(url, "q=1"), expected);
        }
    }

    #[test]
    fn scrape_url_follows_the_announce_url() {
        for (announce, scrape) in [
            ("http://t/announce", Some("http://t/scrape")),
            ("http://t/x/announce", Some("http://t/x/scrape")),
            ("http://t/announce.php", Some("http://t/scrape.php")),
            ("http://t/announce?x2=%0644", Some("http://t/scrape?x2=%0644")),
            ("http://t/a", None),
            ("http://t/announce?x=2/4", Some("http://t/scrape?x=2/4")),
            ("http://t/x%064announce", None),
            ("announce", None),
        ] {
            assert_eq!(scrape_url(announce).as_deref(), scrape, "{announce}");
        }
    }
}
