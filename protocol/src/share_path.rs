//! The relative path of a shared file: the only form in which a path from the network exists.
//!
//! A [`SharePath`] comes only from its parser, which refuses everything that could lead out of the folder it is put in.
//! It is a name and not yet a place: whoever creates a file from it goes through [`SharePath::safe_components`], which
//! also holds on file systems stricter than the sharer's, and looks out for links on the way.

mod error;
mod safe_name;
#[cfg(test)]
mod tests;

pub use error::{ComponentFault, SharePathError};
pub use safe_name::safe_file_name;

use crate::escape::{display_safe, excerpt};
use crate::limits::{MAX_COMPONENT, MAX_PATH, MAX_PATH_DEPTH};
use std::fmt::{Display, Formatter};

/// Names a shared file below its folder, with `/` between the components.
///
/// It is never empty or absolute and has no component that is empty, blank, `.` or `..`; no backslash, drive letter,
/// home folder or control character; and it keeps to the limits in [`crate::limits`]. It is ordered by its bytes, and
/// shown with [`display_safe`], since it may still hold marks that reorder text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePath(String);

impl SharePath {
    /// Reads a path, or tells what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SharePathError> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// Gives the path as it was parsed, unescaped.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Lists the components from the outermost folder to the file.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Lists the components as names that are safe to create on any system; see [`safe_file_name`].
    pub fn safe_components(&self) -> impl Iterator<Item = String> {
        self.components().map(safe_file_name)
    }

    /// Gives the last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Gives the folder the path lies in, or nothing if that is the shared folder itself.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// Appends a path below this one; refuses what grows too long or too deep.
    pub fn join(&self, below: &Self) -> Result<Self, SharePathError> {
        Self::try_from(format!("{}/{}", self.0, below.0))
    }

    /// Tells whether the path is the folder or lies somewhere below it, by whole components.
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
    if text.starts_with('~') {
        return Err(SharePathError::Home { path: excerpt(text) });
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
        return Err(ComponentFault::Climbs);
    }
    if component.len() > MAX_COMPONENT {
        return Err(ComponentFault::TooLong { bytes: component.len(), limit: MAX_COMPONENT });
    }
    let is_forbidden = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if let Some(character) = component.chars().find(|c| is_forbidden(*c)) {
        return Err(ComponentFault::Control { character });
    }
    // A drive letter comes first, so that `C:\x` is told for what it is.
    let mut start = component.chars();
    if start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.next() == Some(':') {
        return Err(ComponentFault::Drive);
    }
    if component.contains('\\') {
        return Err(ComponentFault::Backslash);
    }
    if component.chars().all(char::is_whitespace) {
        return Err(ComponentFault::Blank);
    }
    Ok(())
}
