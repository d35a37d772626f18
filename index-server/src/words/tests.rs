use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn texts(index: &WordIndex, pattern: &WordPattern) -> Option<Vec<String>> {
    let mut found: Vec<String> = index
        .find(pattern, usize::MAX)?
        .into_iter()
        .map(|word| index.table.text(word.0).unwrap().to_string())
        .collect();
    found.sort_unstable();
    Some(found)
}

fn position() -> impl Strategy<Value = PatternPosition> {
    prop_oneof![
        Just(PatternPosition::Whole),
        Just(PatternPosition::Beginning),
        Just(PatternPosition::End),
        Just(PatternPosition::Inside)
    ]
}

#[test]
fn words_are_runs_of_letters_and_digits() {
    let text = "music/01 - señor_x (live).tar.gz 日本";
    assert_eq!(words(text).collect::<Vec<_>>(), ["music", "01", "señor", "x", "live", "tar", "gz", "日本"]);
}

proptest! {
    #[test]
    fn patterns_match_a_scan_of_every_word(
        titles in prop::collection::vec("[ab日]{1,4}( [ab日]{1,4}){0,3}", 1..20),
        removals in prop::collection::vec(any::<bool>(), 20),
        patterns in prop::collection::vec(("[ab日]{1,4}", position()), 10),
    ) {
        let (mut index, mut model) = (WordIndex::default(), BTreeMap::<&str, Vec<u32>>::new());
        for (title, number) in titles.iter().zip(0..) {
            index.insert(title, number);
        }
        for ((title, number), is_removed) in titles.iter().zip(0..).zip(removals) {
            if is_removed {
                index.remove(title, number);
            } else {
                words(title).for_each(|word| model.entry(word).or_default().push(number));
            }
        }
        prop_assert_eq!(index.table.len(), model.len());
        for (text, position) in patterns {
            let pattern = WordPattern { text, position };
            let expected: Vec<&str> = model.keys().copied().filter(|word| pattern.matches(word)).collect();
            let found = texts(&index, &pattern);
            prop_assert!(found.is_some() || pattern.text.chars().count() == 1);
            prop_assert!(found.is_none_or(|found| found == expected));
        }
        for (word, mut expected) in model {
            expected.dedup();
            let number = index.table.find(word).unwrap();
            prop_assert_eq!(index.titles(WordNo(number)).unwrap().iter().collect::<Vec<_>>(), expected);
        }
    }
}
