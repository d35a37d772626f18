//! The bar of a transfer.

use super::look::{Look, Style};

/// Draws a bar of so many columns, full to the share that `done` is of `all`.
pub(crate) fn progress_bar(done: u64, all: u64, width: usize, look: Look) -> String {
    let full = filled(done, all, width);
    let (full, rest) = ("━".repeat(full), "╌".repeat(width - full));
    format!("{}{}", look.paint(Style::Good, &full), look.paint(Style::Faint, &rest))
}

/// Returns the whole percent that `done` is of `all`: 100 only when all is done.
pub(crate) fn percent(done: u64, all: u64) -> u64 {
    filled(done, all, 100) as u64
}

/// Divides in whole numbers, so that a bar is full only when all is done. Nothing of nothing is nothing yet.
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
