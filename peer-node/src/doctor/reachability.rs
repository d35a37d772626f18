use std::net::SocketAddr;

use super::Finding;
use crate::addresses::{ListenerFault, listener_fault};
use crate::index_client::{IndexStatus, Reachability};

/// Says whether the index can be used.
pub(super) fn index(index: &str, status: &IndexStatus) -> Finding {
    let seen = format!("{index}: {status}");
    match status {
        IndexStatus::Online { trouble: None, .. } => Finding::ok("index", seen),
        IndexStatus::Online { .. } => Finding::warning("index", seen, "not all files are listed; see status"),
        _ => Finding::problem(
            "index",
            seen,
            "check --index HOST:PORT, that index-server runs there, and that no firewall is between; until then --lan finds nodes of this network",
        ),
    }
}

/// Says whether others can call this node, as the index has tried.
pub(super) fn port(own: SocketAddr, status: &IndexStatus) -> Finding {
    let what = "port";
    let port = own.port();
    if let IndexStatus::Online { reachable: Reachability::No { reason }, seen_address: you, .. } = status {
        let (own_ip, you_ip) = (own.ip(), you.ip());
        let (seen, remedy) = match listener_fault(own, *you) {
            Some(ListenerFault::LoopbackOnly) => (
                format!("the index is on another machine, but this node listens on {own_ip} only"),
                "--listen-host 0.0.0.0 lets others in, --listen-host :: those with IPv6 too".to_owned(),
            ),
            Some(ListenerFault::OtherAddress) => (
                format!("this node listens on {own_ip} only, but the index sees it at {you_ip}"),
                format!(
                    "use --listen-host {you_ip} or 0.0.0.0, or forward TCP port {port} of {you_ip} to {own_ip}"
                ),
            ),
            None => (
                format!("{you} does not answer the index: {reason}"),
                format!(
                    "let connections to TCP port {port} in, here and on a router between, or choose another port"
                ),
            ),
        };
        return Finding::problem(what, seen, remedy);
    }
    if own.ip().is_loopback() {
        let remedy = "--listen-host 0.0.0.0 lets others in, --listen-host :: those with IPv6 too";
        return Finding::warning(what, format!("{own} is for this machine alone"), remedy);
    }
    match status {
        IndexStatus::Online { reachable: Reachability::Yes, seen_address: you, .. } => {
            Finding::ok(what, format!("{you} answers when the index calls it"))
        }
        _ => Finding::warning(
            what,
            format!("{own}: nobody has tried it from outside"),
            "an index tries it when it is there",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;
    use crate::index_client::IndexInfo;

    fn online(reachable: Reachability) -> IndexStatus {
        let you = "10.0.0.7:12349".parse().unwrap();
        IndexStatus::Online {
            seen_address: you,
            reachable,
            registered: 1,
            synced: true,
            trouble: None,
            index_info: IndexInfo::default(),
        }
    }

    #[test]
    fn a_listener_at_the_wrong_address_is_named() {
        let no = online(Reachability::No { reason: "a firewall".into() });
        let found = |own: &str| port(own.parse().unwrap(), &no);
        let loopback = found("127.0.0.1:12349");
        assert!(loopback.detail.contains("listens on 127.0.0.1 only"), "{loopback:?}");
        assert!(loopback.remedy.unwrap().contains("--listen-host 0.0.0.0"));
        let other = found("10.0.0.8:12349");
        assert!(other.detail.contains("sees it at 10.0.0.7"), "{other:?}");
        assert!(found("0.0.0.0:12349").detail.contains("a firewall"));
    }

    #[test]
    fn every_status_has_a_severity_and_problems_a_remedy() {
        let (all, own) = ("0.0.0.0:12349".parse().unwrap(), "127.0.0.1:12349".parse().unwrap());
        let no = Reachability::No { reason: "refused".into() };
        assert_eq!(index("h:1", &online(no.clone())).severity, Severity::Ok);
        assert_eq!(index("h:1", &IndexStatus::Stopped).severity, Severity::Problem);
        for (place, status, verdict) in [
            (all, online(Reachability::Yes), Severity::Ok),
            (own, online(Reachability::Yes), Severity::Warning),
            (all, online(Reachability::Unknown), Severity::Warning),
            (all, IndexStatus::Stopped, Severity::Warning),
            (own, online(no), Severity::Problem),
        ] {
            let found = port(place, &status);
            assert_eq!(found.severity, verdict, "{found:?}");
            assert_eq!(found.remedy.is_none(), verdict == Severity::Ok);
        }
    }
}
