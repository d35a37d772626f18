//! Words from the index, made fit to be shown.

use protocol::escape::display_safe;
use protocol::index::Refusal;

/// The most characters of a text that are kept.
const LONGEST: usize = 300;

/// Escapes a text and cuts it to a bearable length.
pub(super) fn plain(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", display_safe(text.get(..end).unwrap_or_default())),
        None => display_safe(text).into_owned(),
    }
}

/// Does so with all texts of a refusal.
pub(super) fn plain_refusal(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Malformed { reason } => Refusal::Malformed { reason: plain(&reason) },
        Refusal::OutOfOrder { expected } => Refusal::OutOfOrder { expected: plain(&expected) },
        Refusal::BadQuery { reason } => Refusal::BadQuery { reason: plain(&reason) },
        Refusal::BadRecord { path, reason } => {
            Refusal::BadRecord { path: plain(&path), reason: plain(&reason) }
        }
        Refusal::TooMany { what, limit } => Refusal::TooMany { what: plain(&what), limit },
        Refusal::NotAllowed { what } => Refusal::NotAllowed { what: plain(&what) },
        Refusal::OverBudget { what, wanted, limit } => {
            Refusal::OverBudget { what: plain(&what), wanted, limit }
        }
        Refusal::BadProof
        | Refusal::BadPort { .. }
        | Refusal::NoSuchPeer
        | Refusal::Busy { .. }
        | Refusal::TooFast { .. }
        | Refusal::StoreUnavailable
        | Refusal::Unsupported { .. } => refusal,
    }
}

/// Tells whether the index closes the connection behind a refusal.
pub(super) const fn is_final(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Malformed { .. }
            | Refusal::OutOfOrder { .. }
            | Refusal::BadProof
            | Refusal::BadPort { .. }
            | Refusal::Busy { .. }
            | Refusal::NotAllowed { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_index_commands_a_terminal() {
        let evil = "\u{1b}[2J".repeat(1000);
        let shown = plain_refusal(Refusal::BadQuery { reason: evil }).to_string();
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.len() < 10 * LONGEST);
        assert_eq!(plain_refusal(Refusal::BadProof), Refusal::BadProof);
    }
}
