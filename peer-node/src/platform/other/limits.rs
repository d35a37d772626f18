/// Returns the maximum number of open files and connections, which has no limit of its own here.
pub(crate) const fn descriptor_limit() -> Option<u64> {
    None
}

/// Raises the limit of open files and connections, which does not exist here.
pub(crate) const fn raise_descriptor_limit() {}

/// Returns a limit of watched folders, which does not exist here.
pub(crate) const fn watch_limit(_name: &str) -> Option<u64> {
    None
}
