//! Folding of case and accents, so that a search for `senor` finds `Señor`, however the name was typed.
//!
//! Names are folded when they are indexed, and words when they are searched for.

use unicode_normalization::char::{decompose_compatible, is_combining_mark};

/// Folds a text for searching: compatibility-decomposed, without combining marks, in lower case. Letters without a
/// decomposition are spelled in ASCII (`ß` as `ss`, `ø` as `o`, `æ` as `ae`).
///
/// Folding is idempotent, and the composed and decomposed forms of a text fold to the same result. Every character
/// that is not a combining mark is kept in some form; a text of only marks becomes empty. The result may be longer
/// than the text, but a character becomes at most 18 characters (U+FDFA).
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// Like [`fold`], but replaces the content of `folded`, whose memory is reused.
pub fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
        return;
    }
    // Decomposing letter by letter is sufficient: the context only affects the order of marks, which are dropped.
    for letter in text.chars() {
        if letter.is_ascii() {
            folded.push(letter.to_ascii_lowercase());
        } else {
            decompose_compatible(letter, |part| fold_part(part, folded));
        }
    }
}

fn fold_part(part: char, folded: &mut String) {
    if is_combining_mark(part) {
        return;
    }
    for letter in part.to_lowercase() {
        match ascii_spelling(letter) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(letter),
        }
    }
}

/// Returns the usual ASCII spelling of a lower-case letter without a decomposition.
fn ascii_spelling(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'æ' => "ae",
        'œ' => "oe",
        'ı' => "i",
        'ŧ' => "t",
        'ħ' => "h",
        // The final form of sigma depends on its position in the word, which is unknown when a part of a word is
        // searched for.
        'ς' => "σ",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;
    use unicode_normalization::char::canonical_combining_class;

    #[test]
    fn case_and_accents_are_folded() {
        assert_eq!(fold("Señor MÜLLER.ISO"), "senor muller.iso");
        assert_eq!(fold("ÅNGSTRÖM"), fold("a\u{30a}ngstro\u{308}m"));
        assert_eq!(fold("ΟΔΥΣΣΕΥΣ"), fold("οδυσσεύς"));
        assert_eq!(fold("İstanbul"), "istanbul");
        assert_eq!(fold("ﬁne ＡＢＣ"), "fine abc");
    }

    #[test]
    fn letters_without_decomposition_are_spelled_in_ascii() {
        assert_eq!(fold("Straße STRAẞE"), "strasse strasse");
        assert_eq!(fold("ØŁĐÐÞÆŒıŦĦ"), "oldd".to_owned() + "thaeoeith");
        assert_eq!(fold("ǾǼ"), "oae");
    }

    #[test]
    fn other_scripts_and_signs_are_kept() {
        assert_eq!(fold("日本語 — привет_(1)"), "日本語 — привет_(1)");
    }

    #[test]
    fn folding_any_character_is_idempotent() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let once = fold(&text);
            assert_eq!(fold(&once), once, "U+{:04X}", u32::from(character));
            assert!(once.chars().count() <= 18, "U+{:04X}", u32::from(character));
            let only_marks = text.nfkd().all(is_combining_mark);
            assert_eq!(once.is_empty(), only_marks, "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn decomposition_reorders_only_marks() {
        let moves = |part: &char| canonical_combining_class(*part) != 0;
        assert!(('\0'..=char::MAX).filter(moves).all(is_combining_mark));
    }

    proptest! {
        #[test]
        fn folding_by_character_equals_folding_the_text(text in any::<String>(), before in any::<String>()) {
            let mut whole = String::new();
            text.nfkd().for_each(|part| fold_part(part, &mut whole));
            let mut folded = before;
            fold_into(&text, &mut folded);
            prop_assert_eq!(folded, whole);
        }

        #[test]
        fn folding_is_idempotent(text in any::<String>()) {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn composed_and_decomposed_forms_fold_equally(text in "[a-zA-ZÀ-ſΑ-ώЀ-ӿ가-힣\u{300}-\u{36f} ]{0,40}") {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(fold(&composed), fold(&decomposed));
        }
    }
}
