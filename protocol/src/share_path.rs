//! The relative path of a shared file. All paths from the network are parsed into this type.
//!
//! A [`SharePath`] comes only from its parser, which refuses every path that could leave its folder. It may contain
//! any name that Linux can store, except control characters. It is a name, not a location: code that creates a file
//! from it maps each component with [`local_file_name`] or [`safe_file_name`], and does not follow links on the way.
//!
//! Release 0.1.0 accepts fewer paths, see [`SharePath::is_basic`]. Other paths are sent only to a side that announced
//! the
//! feature.

mod basic;
mod error;
mod local_name;
mod numbered;
mod safe_name;
mod shorten;
#[cfg(test)]
mod tests;

pub use error::{ComponentFault, SharePathError};
pub use local_name::local_file_name;
pub use numbered::numbered_file_name;
pub use safe_name::safe_file_name;
pub use shorten::shorten_file_name;

use crate::escape::{display_safe, excerpt};
use crate::limits::{MAX_COMPONENT, MAX_PATH, MAX_PATH_DEPTH};
use std::fmt::{Display, Formatter};

/// The path of a shared file below its folder, with `/` between the components.
///
/// It is never empty or absolute, has no component that is empty, `.` or `..`, no control character, and keeps to the
/// limits in [`crate::limits`]. It is ordered by its bytes, and displayed with [`display_safe`], because it may still
/// contain characters that reorder text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePath(String);

impl SharePath {
    /// Parses a path.
    pub fn parse(text: &str) -> Result<Self, SharePathError> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// Returns the path, unescaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the components from the outermost folder to the file.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns true if peers and indexes of release 0.1.0 accept the path too: no component is blank or contains a
    /// backslash, a drive letter or a line separator, and the path does not begin with `~`.
    pub fn is_basic(&self) -> bool {
        basic::is_basic(&self.0)
    }

    /// Returns the last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Returns the parent folder; `None` if that is the shared folder itself.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// Appends a path below this one; returns an error if the result is too long or too deep.
    pub fn join(&self, below: &Self) -> Result<Self, SharePathError> {
        Self::try_from(format!("{}/{}", self.0, below.0))
    }

    /// Returns true if the path is the folder or is below it; only whole components match.
    pub fn starts_with_folder(&self, folder: &Self) -> bool {
        self.0.strip_prefix(folder.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Display for SharePath {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(&display_safe(&self.0))
    }
}

impl TryFrom<String> for SharePath {
    type Error = SharePathError;

    fn try_from(text: String) -> Result<Self, SharePathError> {
        check(&text)?;
        Ok(Self(text))
    }
}

impl From<SharePath> for String {
    fn from(path: SharePath) -> Self {
        path.0
    }
}

/// Returns true for a single component that Linux can store and that contains no control character.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.contains('/') && check_component(name).is_ok()
}

fn check(text: &str) -> Result<(), SharePathError> {
    if text.is_empty() {
        return Err(SharePathError::Empty);
    }
    if text.len() > MAX_PATH {
        return Err(SharePathError::TooLong { bytes: text.len(), limit: MAX_PATH });
    }
    if text.starts_with('/') {
        return Err(SharePathError::Absolute { path: excerpt(text) });
    }
    let depth = text.split('/').count();
    if depth > MAX_PATH_DEPTH {
        return Err(SharePathError::TooDeep { depth, limit: MAX_PATH_DEPTH });
    }
    for (position, component) in (1..).zip(text.split('/')) {
        check_component(component).map_err(|fault| SharePathError::Component {
            position,
            component: excerpt(component),
            fault,
        })?;
    }
    Ok(())
}

fn check_component(component: &str) -> Result<(), ComponentFault> {
    if component.is_empty() {
        return Err(ComponentFault::Empty);
    }
    if component == "." || component == ".." {
        return Err(ComponentFault::Traversal);
    }
    if component.len() > MAX_COMPONENT {
        return Err(ComponentFault::TooLong { bytes: component.len(), limit: MAX_COMPONENT });
    }
    match component.chars().find(|c| c.is_control()) {
        Some(character) => Err(ComponentFault::Control { character }),
        None => Ok(()),
    }
}
