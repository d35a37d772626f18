//! What is done with a store that no index runs on.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, StoredFileList};
use crate::store::{Import, Store, StoreError, export, read_lines};

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum MaintenanceError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file that is to be written or read.
    #[error("{path:?}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The standard output.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// What is to be imported.
    #[error("{0}")]
    BadLines(String),
}

/// Reads the whole store and says what is in it.
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

/// Writes everything in the store to a file, or the standard output.
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

/// Makes a store of a file, or of the standard input, and says what is in it.
pub(super) fn import_from(dir: &Path, file: &Path) -> Result<String, MaintenanceError> {
    let failed = |source| MaintenanceError::File { path: file.to_owned(), source };
    let import = if is_stdio(file) {
        read_lines(io::stdin().lock())
    } else {
        File::open(file).and_then(|file| read_lines(BufReader::new(file)))
    };
    let Import { lists, offers, files, first_bad: bad, bad_lines } = import.map_err(failed)?;
    if bad_lines > 0 {
        let told = bad.iter().map(|(line, reason)| format!("line {line}: {reason}\n"));
        let told: String = told.collect();
        return Err(MaintenanceError::BadLines(format!(
            "{told}nothing was imported: {bad_lines} lines are wrong"
        )));
    }
    Store::create(dir, &lists, &offers)?;
    let (nodes, torrents) = (lists.len(), offers.len());
    Ok(format!("imported {nodes} nodes, {files} files and {torrents} torrents into {}", dir.display()))
}

/// Judges what stands in a store as if it came from a node.
fn verify(dir: &Path, lists: &[StoredFileList]) -> Result<Catalog, StoreError> {
    let damaged = |what: String| StoreError::Damaged { path: dir.to_owned(), what };
    let mut catalog = Catalog::default();
    catalog.restore_all(lists).map_err(|clash| damaged(clash.to_string()))?;
    for file in lists.iter().flat_map(|list| &list.blocks).flat_map(|(_, files)| files) {
        file.check().map_err(|error| damaged(format!("a file in it cannot be one: {error}")))?;
    }
    Ok(catalog)
}

fn is_stdio(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Writes the result of a task to the standard output. A reader that has closed it knows.
pub(super) fn print_result(text: &str) -> Result<(), MaintenanceError> {
    ignore_closed_output(writeln!(io::stdout(), "{text}"))
}

/// Returns whether something reached the standard output, or nobody wanted it.
pub(super) fn ignore_closed_output(written: io::Result<()>) -> Result<(), MaintenanceError> {
    match written.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(MaintenanceError::Output(error)),
        _ => Ok(()),
    }
}

/// Says something on the standard output; whoever started this may have closed its end already.
pub(super) fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
