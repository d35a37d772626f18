use thiserror::Error;

/// Why a text is not the path of a shared file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SharePathError {
    /// There is no path at all.
    #[error("the path is empty")]
    Empty,
    /// The path is longer than any that is accepted.
    #[error("the path has {bytes} bytes; at most {limit} are accepted")]
    TooLong {
        /// The length of the path in bytes.
        bytes: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The path has more components than are accepted.
    #[error("the path has {depth} components; at most {limit} are accepted")]
    TooDeep {
        /// The number of components.
        depth: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The path begins at the root of a file system.
    #[error("the path `{path}` is absolute; a shared path is relative to its folder")]
    Absolute {
        /// The beginning of the path, display-safe.
        path: String,
    },
    /// One component of the path is not a plain name.
    #[error("component {position} of the path, `{component}`, {fault}")]
    Component {
        /// Which component it is, counted from 1.
        position: usize,
        /// The beginning of the component, display-safe.
        component: String,
        /// What is wrong with it.
        fault: ComponentFault,
    },
}

/// What is wrong with one component of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ComponentFault {
    /// Two separators follow each other, or one ends the path.
    #[error("is empty: a `/` stands at the end or next to another")]
    Empty,
    /// The component is `.` or `..`.
    #[error("is not a name but a step within the folders")]
    Traversal,
    /// The component is longer than file systems allow.
    #[error("has {bytes} bytes; at most {limit} are accepted")]
    TooLong {
        /// The length of the component in bytes.
        bytes: usize,
        /// The most that is accepted.
        limit: usize,
    },
    /// The component holds a control character.
    #[error("holds the control character U+{:04X}", u32::from(*character))]
    Control {
        /// The first such character.
        character: char,
    },
}
