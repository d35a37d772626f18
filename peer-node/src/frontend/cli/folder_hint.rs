use std::path::Path;

use protocol::escape::display_safe_bytes;

use crate::used_folders::{UsedFolders, holds_node};

/// Returns a notice if a node is about to be created in the working directory although the account has used one with the same
/// port elsewhere.
pub(super) fn other_folder_notice(folders: &UsedFolders, port: u16, folder: &Path) -> Option<String> {
    if holds_node(folder) {
        return None;
    }
    let other = folders.other_folder(port, folder)?;
    let new = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let text = format!(
        "creating a new node in {}; the node last used with port {port} is in {}\n  to use that one: peer-node {port} --share-dir {}",
        shell_quoted(&new),
        shell_quoted(&other),
        shell_quoted(&other),
    );
    // If the other folder is the default one, peer-node finds it when started in the folder above it.
    let start = other.ancestors().nth(2).filter(|start| start.join(folder) == other);
    let start = start.map(|start| format!(", or start peer-node in {}", shell_quoted(start)));
    Some(format!("{text}{}", start.unwrap_or_default()))
}

/// Quotes a path for a shell.
fn shell_quoted(path: &Path) -> String {
    let path = display_safe_bytes(path.as_os_str().as_encoded_bytes());
    let is_plain = path.chars().all(|c| c.is_alphanumeric() || "/._-+:@%,=".contains(c));
    if is_plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}
