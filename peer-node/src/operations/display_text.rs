//! Text from the network or the disk that is safe to display.

use std::fmt::{self, Display};
use std::path::Path;

use protocol::escape::{display_safe, display_safe_bytes};
use serde::Serialize;

/// Text without characters that could control a terminal, break a line or reorder text. Others chose it: a name, a path, an
/// error.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct DisplayText(String);

impl DisplayText {
    /// Escapes a text.
    pub(crate) fn new(text: &str) -> Self {
        Self(display_safe(text).into_owned())
    }

    /// Escapes a local path, which need not be UTF-8.
    pub(crate) fn from_path(path: &Path) -> Self {
        Self(display_safe_bytes(path.as_os_str().as_encoded_bytes()))
    }

    /// Escapes the message of an error or another value.
    pub(crate) fn from_message(message: &impl Display) -> Self {
        Self::new(&message.to_string())
    }

    /// Returns the escaped text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for DisplayText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_escaped() {
        assert_eq!(DisplayText::new("a\u{1b}[2Jb").as_str(), "a\\u{1b}[2Jb");
        assert_eq!(DisplayText::from_path(Path::new("/a\nb")).to_string(), "/a\\nb");
        assert_eq!(serde_json::to_string(&DisplayText::new("a\u{202e}")).unwrap(), r#""a\\u{202e}""#);
    }
}
