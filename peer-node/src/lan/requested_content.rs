/// A requested file, derived from the typed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestedContent {
    /// Name in the names of its chunks.
    pub(super) content: String,
    /// Name of the file to store.
    pub(super) file: String,
    /// Whether an extension was typed, so that none is added.
    pub(super) has_extension: bool,
}

impl RequestedContent {
    /// Finds an announced name for a typed one: the typed name itself, or without one or more extensions (some programs cut
    /// `a.tar.gz` into chunks of `a.tar`, others of `a`).
    pub(super) fn find(typed: &str, is_announced: impl Fn(&str) -> bool) -> Option<Self> {
        let mut content = typed;
        while !is_announced(content) {
            let (stem, extension) = content.rsplit_once('.')?;
            if stem.is_empty() || !is_extension(extension) {
                return None;
            }
            content = stem;
        }
        let file = typed.trim_end_matches('.');
        let has_extension = file.len() > content.len();
        let file = if has_extension { file } else { content };
        Some(Self { content: content.to_owned(), file: file.to_owned(), has_extension })
    }
}

/// Returns true if the text is safe as an extension: it contains no path separator.
fn is_extension(text: &str) -> bool {
    !text.contains(|letter: char| {
        letter.is_whitespace() || letter.is_control() || matches!(letter, '/' | '\\')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(typed: &str, announced: &[&str]) -> Option<(String, String, bool)> {
        let wanted = RequestedContent::find(typed, |name| announced.contains(&name))?;
        Some((wanted.content, wanted.file, wanted.has_extension))
    }

    #[test]
    fn names_are_found_with_and_without_extension() {
        for (typed, announced, content, file, has_extension) in [
            ("forest", &["forest"][..], "forest", "forest", false),
            ("forest.png", &["forest"], "forest", "forest.png", true),
            ("forest.png", &["forest", "forest.png"], "forest.png", "forest.png", false),
            ("a.tar.gz", &["a", "a.tar"], "a.tar", "a.tar.gz", true),
            ("a.tar.gz", &["a"], "a", "a.tar.gz", true),
            ("v1.2", &["v1.2", "v1"], "v1.2", "v1.2", false),
            ("forest.", &["forest"], "forest", "forest", false),
            ("Big Buck.Bunny.mp4", &["Big Buck.Bunny"], "Big Buck.Bunny", "Big Buck.Bunny.mp4", true),
        ] {
            let expected = (content.to_owned(), file.to_owned(), has_extension);
            assert_eq!(find(typed, announced), Some(expected), "{typed}");
        }
    }

    #[test]
    fn unannounced_names_are_not_found() {
        for typed in ["", ".", ".png", "..png", "oak.png", "forestpng", "forest/png", "fores.png", "forest_1"]
        {
            assert_eq!(find(typed, &["forest"]), None, "{typed}");
        }
    }

    #[test]
    fn extension_cannot_escape_the_folder() {
        for typed in
            ["forest./../x", "forest.png/x", "forest.a/../../b.png", "forest.\\x", "forest. png", "forest.\n"]
        {
            assert_eq!(find(typed, &["forest"]), None, "{typed:?}");
        }
    }
}
