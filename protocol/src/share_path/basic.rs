/// Returns true if release 0.1.0 accepts a path that the current parser has accepted.
pub(super) fn is_basic(path: &str) -> bool {
    !path.starts_with('~') && path.split('/').all(is_basic_component)
}

fn is_basic_component(component: &str) -> bool {
    let mut start = component.chars();
    let has_drive = start.next().is_some_and(|c| c.is_ascii_alphabetic()) && start.next() == Some(':');
    !has_drive
        && !component.contains(['\\', '\u{2028}', '\u{2029}'])
        && !component.chars().all(char::is_whitespace)
}
