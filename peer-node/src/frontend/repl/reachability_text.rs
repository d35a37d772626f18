use crate::operations::index_state::{NodeReachability, UnreachableCause};

/// Returns whether other nodes can reach this one.
pub(crate) fn reachability_text(reachability: &NodeReachability) -> String {
    match reachability {
        NodeReachability::Unknown => "reachability not tested yet".to_owned(),
        NodeReachability::Reachable => "reachable".to_owned(),
        NodeReachability::Unreachable(cause) => format!("not reachable: {}", unreachable_reason(cause)),
    }
}

/// Returns why other nodes cannot reach this one, with a remedy if the listening address is the cause.
pub(crate) fn unreachable_reason(cause: &UnreachableCause) -> String {
    match cause {
        UnreachableCause::LoopbackListener { listening } => {
            format!("this node listens on {listening} only; restart it with --listen-host 0.0.0.0 (or ::)")
        }
        UnreachableCause::OtherListener { listening, seen } => format!(
            "this node listens on {listening} only, but the index sees it at {seen}; restart it with --listen-host {seen} or 0.0.0.0"
        ),
        UnreachableCause::ProbeFailed { reason } => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::display_text::DisplayText;

    #[test]
    fn wrong_listener_comes_with_a_remedy() {
        let (listening, seen) = ("127.0.0.1".parse().unwrap(), "10.0.0.7".parse().unwrap());
        let text = unreachable_reason(&UnreachableCause::LoopbackListener { listening });
        assert!(
            text.contains("listens on 127.0.0.1 only") && text.contains("--listen-host 0.0.0.0"),
            "{text}"
        );
        let text = unreachable_reason(&UnreachableCause::OtherListener { listening, seen });
        assert!(text.contains("sees it at 10.0.0.7"), "{text}");
        let reason = DisplayText::new("a firewall\u{7}");
        let text =
            reachability_text(&NodeReachability::Unreachable(UnreachableCause::ProbeFailed { reason }));
        assert_eq!(text, "not reachable: a firewall\\u{7}");
    }
}
