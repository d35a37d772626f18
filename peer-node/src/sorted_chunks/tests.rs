use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[test]
fn one_change_copies_one_chunk() {
    let mut list: SortedChunks<u32> = (0..100_000).map(|number| number * 2).collect();
    let before = list.clone();
    assert_eq!(list.unshared_len(&before), 0);
    list.insert(77_777);
    list.insert(77_778);
    assert_eq!((list.len(), before.len()), (100_001, 100_000));
    assert!((1..=MAX_CHUNK_LEN + 1).contains(&list.unshared_len(&before)));
    let differing: Vec<_> =
        before.pairs_of_unshared(&list).filter(|(one, two)| one.is_none() || two.is_none()).collect();
    assert_eq!(differing, [(None, Some(&77_777))]);
    assert!(before.pairs_of_unshared(&list).count() <= 2 * MAX_CHUNK_LEN);
    assert_eq!(list.remove(|item| item.cmp(&77_777)), Some(77_777));
    assert!(list.iter().eq(before.iter()));
}

#[test]
fn items_in_order_fill_the_chunks() {
    let list: SortedChunks<u32> = (0..10 * 512).collect();
    assert_eq!(list.chunks.len(), 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn list_matches_a_btree_set(
        steps in prop::collection::vec((prop::bool::weighted(0.7), 0_u32..3000, 1_u32..700, 1_u32..4), 1..12),
        probes in prop::collection::vec(0_u32..6000, 20),
    ) {
        let (mut list, mut model) = (SortedChunks::default(), BTreeSet::new());
        for (put, start, count, step) in steps {
            let (copy, copied) = (list.clone(), model.clone());
            for number in (0..count).map(|no| start + no * step) {
                if put {
                    prop_assert_eq!(list.insert(number).is_none(), model.insert(number));
                } else {
                    prop_assert_eq!(list.remove(|item: &u32| item.cmp(&number)).is_some(), model.remove(&number));
                }
            }
            prop_assert!(copy.iter().eq(&copied), "a copy does not change");
            prop_assert!(list.iter().eq(&model) && list.iter().rev().eq(model.iter().rev()));
            prop_assert_eq!((list.len(), list.iter().len()), (model.len(), model.len()));
            prop_assert!(list.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= MAX_CHUNK_LEN));
            let pairs: Vec<_> = copy.pairs_of_unshared(&list).collect();
            let removed = pairs.iter().filter(|(_, two)| two.is_none()).filter_map(|(one, _)| *one);
            let added = pairs.iter().filter(|(one, _)| one.is_none()).filter_map(|(_, two)| *two);
            prop_assert!(removed.eq(copied.difference(&model)) && added.eq(model.difference(&copied)));
        }
        for probe in probes {
            prop_assert_eq!(list.get(|item| item.cmp(&probe)), model.get(&probe));
            prop_assert!(list.iter_from(|item| *item < probe).eq(model.range(probe..)));
        }
    }
}
