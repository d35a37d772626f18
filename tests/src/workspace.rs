//! The files of the project.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the folder of the project.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

/// Returns the project's files with an extension, relative to its folder, in order. What is built or shared does not count.
pub fn files_with_extension(extension: &str) -> Vec<PathBuf> {
    let root = workspace_root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            if path.is_dir() {
                if name != "target" && name != "shared_dirs" && (!name.starts_with('.') || name == ".ci") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(&root).expect("a file of the project").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Returns true if only tests, benchmarks or fuzzing use a source file.
pub fn is_test_source(path: &Path) -> bool {
    let path = path.strip_prefix(workspace_root()).unwrap_or(path);
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    parts.next().is_some_and(|part| part == "tests")
        || parts.any(|part| {
            let stem = part.trim_end_matches(".rs");
            ["tests", "golden", "simulation", "model", "fuzz", "benches"].contains(&stem)
        })
}

/// Returns a source without the unit tests at its end.
pub fn without_unit_tests(source: &str) -> &str {
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or(source)
}

/// Runs a program of the project and returns its standard output, which must be text.
pub fn output_of(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("NO_COLOR", "1").output().expect("a program");
    String::from_utf8(output.stdout).expect("text")
}
