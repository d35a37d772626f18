use std::net::SocketAddr;

use super::Finding;
use crate::addresses::{ListenerFault, listener_fault};
use crate::discovery::index_client::{IndexStatus, Reachability};

/// Checks whether the index is usable.
pub(super) fn index(index: &str, status: &IndexStatus) -> Finding {
    let seen = format!("{index}: {status}");
    match status {
        IndexStatus::Online { trouble: None, .. } => Finding::ok("index", seen),
        IndexStatus::Online { .. } => Finding::warning("index", seen, "not all files are listed; see status"),
        _ => Finding::problem(
            "index",
            seen,
            "check --index HOST:PORT, that index-server runs there, and that no firewall blocks it; meanwhile --lan finds nodes on this network",
        ),
    }
}

/// Checks whether the index can connect to this node.
pub(super) fn port(own: SocketAddr, status: &IndexStatus) -> Finding {
    let what = "port";
    let port = own.port();
    if let IndexStatus::Online { reachable: Reachability::No { reason }, seen_address, .. } = status {
        let (own_ip, seen_ip) = (own.ip(), seen_address.ip());
        let (seen, remedy) = match listener_fault(own, *seen_address) {
            Some(ListenerFault::LoopbackOnly) => (
                format!("the index is on another machine, but this node listens on {own_ip} only"),
                "use --listen-host 0.0.0.0 to accept other machines, or --listen-host :: for IPv6 too"
                    .to_owned(),
            ),
            Some(ListenerFault::OtherAddress) => (
                format!("this node listens on {own_ip} only, but the index sees it at {seen_ip}"),
                format!(
                    "use --listen-host {seen_ip} or 0.0.0.0, or forward TCP port {port} of {seen_ip} to {own_ip}"
                ),
            ),
            None => (
                format!("{seen_address} does not answer the index: {reason}"),
                format!(
                    "allow connections to TCP port {port} in the firewalls of this machine and the router, or choose another port"
                ),
            ),
        };
        return Finding::problem(what, seen, remedy);
    }
    if own.ip().is_loopback() {
        let remedy = "use --listen-host 0.0.0.0 to accept other machines, or --listen-host :: for IPv6 too";
        return Finding::warning(what, format!("{own} is reachable from this machine only"), remedy);
    }
    match status {
        IndexStatus::Online { reachable: Reachability::Yes, seen_address, .. } => {
            Finding::ok(what, format!("the index can connect to {seen_address}"))
        }
        _ => Finding::warning(
            what,
            format!("{own}: not tested from outside"),
            "connect to an index, which tests it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::index_client::IndexInfo;
    use crate::doctor::Severity;

    fn online(reachable: Reachability) -> IndexStatus {
        let seen_address = "10.0.0.7:12349".parse().unwrap();
        IndexStatus::Online {
            seen_address,
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
        let (all, loopback) = ("0.0.0.0:12349".parse().unwrap(), "127.0.0.1:12349".parse().unwrap());
        let no = Reachability::No { reason: "refused".into() };
        assert_eq!(index("h:1", &online(no.clone())).severity, Severity::Ok);
        assert_eq!(index("h:1", &IndexStatus::Stopped).severity, Severity::Problem);
        for (own_address, status, severity) in [
            (all, online(Reachability::Yes), Severity::Ok),
            (loopback, online(Reachability::Yes), Severity::Warning),
            (all, online(Reachability::Unknown), Severity::Warning),
            (all, IndexStatus::Stopped, Severity::Warning),
            (loopback, online(no), Severity::Problem),
        ] {
            let found = port(own_address, &status);
            assert_eq!(found.severity, severity, "{found:?}");
            assert_eq!(found.remedy.is_none(), severity == Severity::Ok);
        }
    }
}
