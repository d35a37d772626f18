//! Makes texts from the index safe to display.

use protocol::escape::display_safe;
use protocol::index::Refusal;

/// Maximum number of characters of a text.
const MAX_CHARS: usize = 300;

/// Escapes a text and truncates it.
pub(super) fn sanitize(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", display_safe(text.get(..end).unwrap_or_default())),
        None => display_safe(text).into_owned(),
    }
}

/// Sanitizes all texts of a refusal.
pub(super) fn sanitize_refusal(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Malformed { reason } => Refusal::Malformed { reason: sanitize(&reason) },
        Refusal::OutOfOrder { expected } => Refusal::OutOfOrder { expected: sanitize(&expected) },
        Refusal::BadQuery { reason } => Refusal::BadQuery { reason: sanitize(&reason) },
        Refusal::BadRecord { path, reason } => {
            Refusal::BadRecord { path: sanitize(&path), reason: sanitize(&reason) }
        }
        Refusal::TooMany { what, limit } => Refusal::TooMany { what: sanitize(&what), limit },
        Refusal::NotAllowed { what } => Refusal::NotAllowed { what: sanitize(&what) },
        Refusal::OverBudget { what, wanted, limit } => {
            Refusal::OverBudget { what: sanitize(&what), wanted, limit }
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

/// Returns true if the index closes the connection after this refusal.
pub(super) const fn closes_connection(refusal: &Refusal) -> bool {
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
    fn control_characters_from_the_index_are_escaped() {
        let evil = "\u{1b}[2J".repeat(1000);
        let shown = sanitize_refusal(Refusal::BadQuery { reason: evil }).to_string();
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.len() < 10 * MAX_CHARS);
        assert_eq!(sanitize_refusal(Refusal::BadProof), Refusal::BadProof);
    }
}
