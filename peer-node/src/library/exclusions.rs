//! Exclusion patterns in `.gitignore` syntax, from `.peerdexignore` files and from the user. Patterns of inner folders take
//! precedence over those of outer folders, and later patterns over earlier ones. Pure.

use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use protocol::escape::excerpt;

/// Name of the file with the patterns of a folder.
pub(super) const IGNORE_FILE: &str = ".peerdexignore";

/// Maximum size of a pattern file, in bytes.
pub(super) const MAX_IGNORE_FILE_SIZE: u64 = 64 * 1024;

/// Maximum number of patterns of one folder.
const MAX_PATTERNS: usize = 1000;

/// Maximum length of a pattern, in bytes.
const MAX_PATTERN: usize = 1000;

/// Why patterns cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// A pattern is not valid `.gitignore` syntax.
    #[error("the pattern {pattern} is invalid: {problem}")]
    Invalid {
        /// The pattern, display-safe.
        pattern: String,
        /// What is wrong with the pattern.
        problem: String,
    },
    /// There are too many patterns, or one is too long.
    #[error("more than {MAX_PATTERNS} patterns for one folder, or a pattern over {MAX_PATTERN} bytes")]
    TooMany,
    /// The pattern file is too large or is not text.
    #[error("the pattern file cannot be read: {0}")]
    Unreadable(String),
}

/// The patterns that apply in a folder; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Exclusions(Option<Arc<FolderPatterns>>);

#[derive(Debug)]
struct FolderPatterns {
    matcher: Gitignore,
    parent: Exclusions,
}

impl Exclusions {
    /// Returns the patterns that apply in a folder: its own, followed by those of the folders around it.
    pub(super) fn within<'a>(
        &self,
        folder: &Path,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, PatternError> {
        let matcher = compile(folder, patterns)?;
        if matcher.is_empty() {
            return Ok(self.clone());
        }
        Ok(Self(Some(Arc::new(FolderPatterns { matcher, parent: self.clone() }))))
    }

    /// Returns the pattern that excludes a file or folder; `None` if no pattern does.
    pub(super) fn excluding(&self, location: &Path, is_folder: bool) -> Option<&str> {
        let mut at = self;
        while let Some(patterns) = &at.0 {
            match patterns.matcher.matched(location, is_folder) {
                Match::Ignore(pattern) => return Some(pattern.original()),
                Match::Whitelist(_) => return None,
                Match::None => at = &patterns.parent,
            }
        }
        None
    }
}

/// Checks patterns from the user.
pub(super) fn check<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<(), PatternError> {
    compile(Path::new("/"), patterns).map(drop)
}

fn compile<'a>(
    folder: &Path,
    patterns: impl IntoIterator<Item = &'a str>,
) -> Result<Gitignore, PatternError> {
    let mut builder = GitignoreBuilder::new(folder);
    // Git treats an unclosed bracket as a literal one. That might share a file which the user meant to exclude.
    builder.allow_unclosed_class(false);
    for (number, pattern) in patterns.into_iter().enumerate() {
        if number >= MAX_PATTERNS || pattern.len() > MAX_PATTERN {
            return Err(PatternError::TooMany);
        }
        builder.add_line(None, pattern).map_err(|error| invalid(pattern, &error))?;
    }
    builder.build().map_err(|error| invalid("", &error))
}

fn invalid(pattern: &str, error: &ignore::Error) -> PatternError {
    PatternError::Invalid { pattern: excerpt(pattern), problem: problem_text(error) }
}

/// Returns the error message without the pattern itself.
fn problem_text(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => excerpt(err),
        other => excerpt(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(around: &Exclusions, folder: &str, patterns: &str) -> Exclusions {
        around.within(Path::new(folder), patterns.lines()).unwrap()
    }

    fn is_excluded(exclusions: &Exclusions, location: &str) -> bool {
        let (path, is_folder) = location.strip_suffix('/').map_or((location, false), |folder| (folder, true));
        exclusions.excluding(Path::new(path), is_folder).is_some()
    }

    #[test]
    fn patterns_match_like_gitignore() {
        let patterns = "# comment\n\n*.tmp\n/top\nbuild/\ndocs/**/draft\n!keep.tmp\n\\#literal\n";
        let exclusions = within(&Exclusions::default(), "/s", patterns);
        for excluded in
            ["/s/a.tmp", "/s/b/c.tmp", "/s/top", "/s/b/build/", "/s/docs/x/y/draft", "/s/#literal"]
        {
            assert!(is_excluded(&exclusions, excluded), "{excluded}");
        }
        for shared in ["/s/a", "/s/b/top", "/s/build", "/s/keep.tmp", "/s/draft", "/s/# comment", "/s/A.TMP"]
        {
            assert!(!is_excluded(&exclusions, shared), "{shared}");
        }
    }

    #[test]
    fn nearer_folder_takes_precedence() {
        let outer = within(&Exclusions::default(), "/s", "*.wav\n!*.flac");
        let inner = within(&outer, "/s/music", "!*.wav\n*.flac\n/x");
        assert!(is_excluded(&outer, "/s/a.wav") && !is_excluded(&inner, "/s/music/a.wav"));
        assert!(is_excluded(&inner, "/s/music/a.flac") && is_excluded(&inner, "/s/music/x"));
        assert!(!is_excluded(&inner, "/s/music/sub/x"));
        // A folder without patterns of its own.
        assert!(is_excluded(&within(&inner, "/s/music/sub", ""), "/s/music/sub/a.flac"));
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        assert!(
            matches!(check(["ok", "a[b"]), Err(PatternError::Invalid { pattern, .. }) if pattern == "a[b")
        );
        assert_eq!(check([&*"x".repeat(MAX_PATTERN + 1)]), Err(PatternError::TooMany));
        assert_eq!(check(std::iter::repeat_n("x", MAX_PATTERNS + 1)), Err(PatternError::TooMany));
        assert_eq!(check(["*.tmp", "!a", ""]), Ok(()));
    }
}
