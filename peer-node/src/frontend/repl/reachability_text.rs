use std::net::SocketAddr;

use protocol::escape::display_safe;

use crate::addresses::{ListenerFault, listener_fault};
use crate::discovery::index_client::Reachability;

/// Returns why other nodes cannot reach this one, with a remedy if the listening address is the cause. `None` if they can, or
/// if the index has not tried yet.
pub(crate) fn unreachable_reason(
    own: SocketAddr,
    seen: SocketAddr,
    reachable: &Reachability,
) -> Option<String> {
    let Reachability::No { reason } = reachable else { return None };
    Some(match listener_fault(own, seen) {
        Some(ListenerFault::LoopbackOnly) => {
            format!("this node listens on {} only; restart it with --listen-host 0.0.0.0 (or ::)", own.ip())
        }
        Some(ListenerFault::OtherAddress) => format!(
            "this node listens on {} only, but the index sees it at {}; restart it with --listen-host {} or 0.0.0.0",
            own.ip(),
            seen.ip(),
            seen.ip()
        ),
        None => display_safe(reason).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_address_is_blamed_before_the_firewall() {
        let no = Reachability::No { reason: "a firewall\u{7}".into() };
        let because = |own: &str, reachable: &Reachability| {
            unreachable_reason(own.parse().unwrap(), "10.0.0.7:1".parse().unwrap(), reachable)
        };
        let text = because("127.0.0.1:1", &no).unwrap();
        assert!(
            text.contains("listens on 127.0.0.1 only") && text.contains("--listen-host 0.0.0.0"),
            "{text}"
        );
        let text = because("10.0.0.8:1", &no).unwrap();
        assert!(text.contains("sees it at 10.0.0.7"), "{text}");
        assert_eq!(because("0.0.0.0:1", &no).unwrap(), "a firewall\\u{7}");
        assert_eq!(because("127.0.0.1:1", &Reachability::Yes), None);
    }
}
