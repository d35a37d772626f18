use protocol::fold::fold;
use protocol::index::WordSuggestions;
use protocol::query::Query;

use super::Operations;
use super::safe_name::SafeName;

/// The maximum number of corrected queries that are tried.
const MAX_SUGGESTIONS: usize = 3;

impl Operations {
    /// Returns queries that have hits, with similarly spelled words instead of those that occur in no name. Suggestions are
    /// optional: an error of the index gives none.
    pub(crate) async fn suggest_queries(&self, query: &str) -> Vec<SafeName> {
        let unknown = self.node.index().suggest(query.to_owned()).await.unwrap_or_default();
        let mut good = Vec::new();
        for other in corrected_queries(query, &unknown) {
            let found = self.node.finder().search(other.clone(), None, 1).await;
            if found.is_ok_and(|page| !page.hits.is_empty()) {
                good.push(other.into());
            }
        }
        good
    }
}

/// Returns corrected queries, the most likely first: each unknown word is replaced by a similarly spelled one.
fn corrected_queries(query: &str, unknown: &[WordSuggestions]) -> Vec<String> {
    let mut others = Vec::new();
    if unknown.is_empty() || unknown.iter().any(|words| words.alternatives.is_empty()) {
        return others;
    }
    for choice in 0..MAX_SUGGESTIONS {
        let replaced = unknown.iter().try_fold(query.to_owned(), |query, words| {
            let similar = words.alternatives.get(choice).or_else(|| words.alternatives.first())?;
            replace(&query, &words.word, similar)
        });
        let is_new = |other: &String| !others.contains(other) && Query::parse(other).is_ok();
        others.extend(replaced.filter(is_new));
    }
    others
}

/// Replaces a folded word in a text, in which it may have capitals and accents.
fn replace(text: &str, word: &str, other: &str) -> Option<String> {
    let starts = text.char_indices().map(|(at, _)| at);
    let (start, end) = starts.into_iter().find_map(|start| {
        let rest = text.get(start..)?;
        let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
        let end =
            ends.take(2 * word.len()).find(|end| rest.get(..*end).is_some_and(|part| fold(part) == word))?;
        Some((start, start + end))
    })?;
    Some(format!("{}{other}{}", text.get(..start)?, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(word: &str, near: &[&str]) -> WordSuggestions {
        WordSuggestions {
            word: word.into(),
            alternatives: near.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    #[test]
    fn only_unknown_words_are_replaced() {
        assert_eq!(
            corrected_queries("Ubunto ext:iso -live", &[near("ubunto", &["ubuntu", "ubunty"])]),
            ["ubuntu ext:iso -live", "ubunty ext:iso -live"]
        );
        assert_eq!(
            corrected_queries(
                "señnor-livve",
                &[near("sennor", &["senor"]), near("livve", &["live", "livid"])]
            ),
            ["senor-live", "senor-livid"]
        );
    }

    #[test]
    fn word_without_a_similar_one_gives_no_suggestion() {
        assert_eq!(
            corrected_queries("xyzzy ubunto", &[near("xyzzy", &[]), near("ubunto", &["ubuntu"])]),
            [""; 0]
        );
        assert_eq!(corrected_queries("ubuntu", &[]), [""; 0]);
        assert_eq!(corrected_queries("abc", &[near("another", &["other"])]), [""; 0]);
    }
}
