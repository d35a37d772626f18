use thiserror::Error;

/// Why a text is not the path of a shared file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SharePathError {
    /// The path is empty.
    #[error("the path is empty")]
    Empty,
    /// The path is over the length limit.
    #[error("the path has {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// The length of the path in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The path has too many components.
    #[error("the path has {depth} components; the limit is {limit}")]
    TooDeep {
        /// The number of components.
        depth: usize,
        /// The limit.
        limit: usize,
    },
    /// The path is absolute.
    #[error("the path `{path}` is absolute; a shared path is relative to its folder")]
    Absolute {
        /// The beginning of the path, display-safe.
        path: String,
    },
    /// A component of the path is not a valid name.
    #[error("component {position} of the path, `{component}`, {fault}")]
    Component {
        /// The component's position, from 1.
        position: usize,
        /// The beginning of the component, display-safe.
        component: String,
        /// What is wrong with the component.
        fault: ComponentFault,
    },
}

/// What is wrong with one component of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ComponentFault {
    /// The path contains `//` or ends in `/`.
    #[error("is empty: the path contains `//` or ends in `/`")]
    Empty,
    /// The component is `.` or `..`.
    #[error("is a relative reference, not a name")]
    Traversal,
    /// The component is longer than file systems allow.
    #[error("has {bytes} bytes; the limit is {limit}")]
    TooLong {
        /// The length of the component in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The component contains a control character.
    #[error("contains the control character U+{:04X}", u32::from(*character))]
    Control {
        /// The first such character.
        character: char,
    },
}
