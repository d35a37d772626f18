use std::borrow::Cow;
use std::fmt;

use protocol::escape::{display_safe, excerpt};
use serde::{Serialize, Serializer};

/// A name or path that comes from the network. Front ends see only its escaped form, so none of them can print what a stranger
/// chose to send; operations use the original.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SafeName {
    original: String,
}

impl SafeName {
    /// Wraps a name as received.
    pub(crate) fn new(original: impl Into<String>) -> Self {
        Self { original: original.into() }
    }

    /// Returns the name, escaped for display.
    pub(crate) fn shown(&self) -> Cow<'_, str> {
        display_safe(&self.original)
    }

    /// Returns the beginning of the name for a message, escaped for display.
    pub(crate) fn excerpt(&self) -> String {
        excerpt(&self.original)
    }

    /// Returns the name as it can be typed; `None` if it contains characters that must be escaped.
    pub(crate) fn typeable(&self) -> Option<&str> {
        matches!(self.shown(), Cow::Borrowed(_)).then_some(self.original.as_str())
    }

    /// Returns the last component of a path.
    pub(crate) fn file_name(&self) -> Self {
        Self::new(self.original.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&self.original))
    }

    /// Returns the path with a trailing `/`.
    pub(crate) fn as_folder(&self) -> Self {
        Self::new(format!("{}/", self.original))
    }

    /// Returns the name as received.
    pub(in crate::operations) fn original(&self) -> &str {
        &self.original
    }
}

impl From<&str> for SafeName {
    fn from(original: &str) -> Self {
        Self::new(original)
    }
}

impl From<String> for SafeName {
    fn from(original: String) -> Self {
        Self { original }
    }
}

/// Compares the name as received.
impl PartialEq<str> for SafeName {
    fn eq(&self, other: &str) -> bool {
        self.original == other
    }
}

impl fmt::Display for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown())
    }
}

impl fmt::Debug for SafeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

impl Serialize for SafeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_leaves_is_escaped() {
        let name = SafeName::new("a\u{1b}[2J/\u{202e}gpj.exe");
        let shown = "a\\u{1b}[2J/\\u{202e}gpj.exe";
        assert_eq!((name.to_string().as_str(), name.shown().as_ref()), (shown, shown));
        assert_eq!(format!("{name:?}"), format!("{shown:?}"));
        assert_eq!(serde_json::to_value(&name).unwrap(), shown);
        assert_eq!(name.typeable(), None);
        assert_eq!(SafeName::new("a b").typeable(), Some("a b"));
    }

    #[test]
    fn the_file_name_is_the_last_component() {
        for (path, name) in [("a/b.iso", "b.iso"), ("b.iso", "b.iso"), ("a/", "a"), ("", ""), ("/", "/")] {
            assert_eq!(SafeName::new(path).file_name(), SafeName::new(name));
        }
    }
}
