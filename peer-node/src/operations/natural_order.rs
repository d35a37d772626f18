//! Natural order of names: `file2` before `file10`.

use std::cmp::Ordering;

use protocol::fold::fold;

/// Compares two paths by component: digits by value, other characters without case and accents; ties are broken by the exact
/// text, so that the order is total.
pub(crate) fn natural_order(one: &str, other: &str) -> Ordering {
    let (key, other_key) = (fold(one), fold(other));
    let mut pairs = key.split('/').zip(other_key.split('/'));
    let by_component =
        pairs.find_map(|(one, other)| Some(compare_components(one, other)).filter(|order| order.is_ne()));
    let by_depth = || key.split('/').count().cmp(&other_key.split('/').count());
    by_component.unwrap_or_else(by_depth).then_with(|| one.cmp(other))
}

fn compare_components(mut one: &str, mut other: &str) -> Ordering {
    loop {
        let (digits, other_digits) = (leading_digits(one), leading_digits(other));
        let order = if digits.is_empty() || other_digits.is_empty() {
            match (one.chars().next(), other.chars().next()) {
                (Some(letter), Some(other_letter)) if letter == other_letter => {
                    one = one.get(letter.len_utf8()..).unwrap_or_default();
                    other = other.get(letter.len_utf8()..).unwrap_or_default();
                    continue;
                }
                (letter, other_letter) => letter.cmp(&other_letter),
            }
        } else {
            one = one.get(digits.len()..).unwrap_or_default();
            other = other.get(other_digits.len()..).unwrap_or_default();
            let (value, other_value) = (digits.trim_start_matches('0'), other_digits.trim_start_matches('0'));
            value.len().cmp(&other_value.len()).then_with(|| value.cmp(other_value))
        };
        if order.is_ne() || one.is_empty() || other.is_empty() {
            return order.then_with(|| one.cmp(other));
        }
    }
}

fn leading_digits(text: &str) -> &str {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_compared_by_their_value() {
        let mut names =
            ["file10", "file2", "File 3", "file2b", "file02", "a10/b", "a9/c", "a9", "é1", "f", "b", "file"];
        names.sort_by(|one, other| natural_order(one, other));
        assert_eq!(
            names,
            ["a9", "a9/c", "a10/b", "b", "é1", "f", "file", "File 3", "file02", "file2", "file2b", "file10"]
        );
    }

    proptest! {
        #[test]
        fn natural_order_is_a_total_order(mut names in prop::collection::vec("[aB01é/]{0,6}", 3)) {
            names.sort_by(|one, other| natural_order(one, other));
            let [one, two, three] = names.try_into().unwrap();
            prop_assert!(natural_order(&one, &two).is_le() && natural_order(&two, &three).is_le());
            prop_assert!(natural_order(&one, &three).is_le());
            prop_assert_eq!(natural_order(&two, &one), natural_order(&one, &two).reverse());
            prop_assert_eq!(natural_order(&one, &two).is_eq(), one == two);
        }
    }
}
