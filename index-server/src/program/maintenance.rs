//! The maintenance commands, for a store that no index is using.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, StoredFileList};
use crate::store::{Import, Store, StoreError, export, read_lines};

/// Why a maintenance command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaintenanceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The exported or imported file failed.
    #[error("{path:?}: {source}")]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Standard output failed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The imported data is invalid.
    #[error("{0}")]
    BadLines(String),
}

/// Reads and checks the whole store; returns a summary.
pub(super) fn check(dir: &Path) -> Result<String, MaintenanceError> {
    let (stored, commits) = Store::read_data(dir)?;
    let (catalog, torrents) = (verify(dir, &stored.lists)?, stored.offers.len());
    let ((nodes, files), contents) = (catalog.count_files(), catalog.contents().len());
    let dir = dir.display();
    Ok(format!(
        "the store in {dir} is sound: {nodes} nodes, {files} files, {contents} contents, {torrents} torrents, \
         change {commits}"
    ))
}

/// Exports the store to a file or to standard output.
pub(super) fn export_to(dir: &Path, file: &Path) -> Result<(), MaintenanceError> {
    let (stored, _) = Store::read_data(dir)?;
    verify(dir, &stored.lists)?;
    let failed = |source| MaintenanceError::File { path: file.to_owned(), source };
    if is_stdio(file) {
        return export(stored, &mut BufWriter::new(io::stdout().lock())).map_err(failed);
    }
    let mut out = BufWriter::new(OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?);
    export(stored, &mut out).and_then(|()| out.get_ref().sync_all()).map_err(failed)
}

/// Creates a store from a file or from standard input; returns a summary.
pub(super) fn import_from(dir: &Path, file: &Path) -> Result<String, MaintenanceError> {
    let failed = |source| MaintenanceError::File { path: file.to_owned(), source };
    let import = if is_stdio(file) {
        read_lines(io::stdin().lock())
    } else {
        File::open(file).and_then(|file| read_lines(BufReader::new(file)))
    };
    let Import { lists, offers, files, first_bad: bad, bad_lines } = import.map_err(failed)?;
    if bad_lines > 0 {
        let reasons = bad.iter().map(|(line, reason)| format!("line {line}: {reason}\n"));
        let reasons: String = reasons.collect();
        return Err(MaintenanceError::BadLines(format!(
            "{reasons}nothing was imported: {bad_lines} lines are invalid"
        )));
    }
    Store::create(dir, &lists, &offers)?;
    let (nodes, torrents) = (lists.len(), offers.len());
    Ok(format!("imported {nodes} nodes, {files} files and {torrents} torrents into {}", dir.display()))
}

/// Validates the contents of a store as if they came from nodes.
fn verify(dir: &Path, lists: &[StoredFileList]) -> Result<Catalog, StoreError> {
    let damaged = |what: String| StoreError::Damaged { path: dir.to_owned(), what };
    let mut catalog = Catalog::default();
    catalog.restore_all(lists).map_err(|error| damaged(error.to_string()))?;
    for file in lists.iter().flat_map(|list| &list.blocks).flat_map(|(_, files)| files) {
        file.check().map_err(|error| damaged(format!("it contains an invalid file: {error}")))?;
    }
    Ok(catalog)
}

fn is_stdio(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Prints the result of a command. A closed pipe is not an error.
pub(super) fn print_result(text: &str) -> Result<(), MaintenanceError> {
    ignore_closed_output(writeln!(io::stdout(), "{text}"))
}

/// Flushes standard output; treats a closed pipe as success.
pub(super) fn ignore_closed_output(written: io::Result<()>) -> Result<(), MaintenanceError> {
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(MaintenanceError::Output(error)),
        _ => Ok(()),
    }
}

/// Prints to standard output; ignores errors, since the parent process may have closed its end.
pub(super) fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
