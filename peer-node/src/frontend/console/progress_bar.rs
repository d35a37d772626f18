//! The progress bar of a transfer.

use super::look::{Look, Style};

/// Returns a bar of `width` columns, filled in the proportion of `done` to `all`.
pub(crate) fn progress_bar(done: u64, all: u64, width: usize, look: Look) -> String {
    let full = filled(done, all, width);
    let (full, rest) = ("━".repeat(full), "╌".repeat(width - full));
    format!("{}{}", look.paint(Style::Good, &full), look.paint(Style::Faint, &rest))
}

/// Returns `done` as a percentage of `all`, rounded down: 100 only at the end.
pub(crate) fn percent(done: u64, all: u64) -> u64 {
    filled(done, all, 100) as u64
}

/// Divides integers and rounds down, so that a bar is full only at the end. An unknown total of 0 counts as no progress.
fn filled(done: u64, all: u64, width: usize) -> usize {
    let share = u128::from(done) * (width as u128) / u128::from(all.max(1));
    usize::try_from(share).map_or(width, |share| share.min(width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bar_is_full_only_at_the_end() {
        assert_eq!(progress_bar(0, 10, 5, Look::PLAIN), "╌╌╌╌╌");
        assert_eq!(progress_bar(9, 10, 5, Look::PLAIN), "━━━━╌");
        assert_eq!(progress_bar(10, 10, 5, Look::PLAIN), "━━━━━");
        assert_eq!((percent(999, 1000), percent(1000, 1000), percent(0, 0)), (99, 100, 0));
    }

    proptest! {
        #[test]
        fn bar_always_has_its_width(done: u64, all: u64, width in 0_usize..200) {
            prop_assert_eq!(progress_bar(done, all, width, Look::PLAIN).chars().count(), width);
            prop_assert!(percent(done, all) <= 100);
        }
    }
}
