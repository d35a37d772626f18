//! The programs under test, built once.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The paths of the programs.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `index-server`.
    pub index_server: PathBuf,
    /// The `peer-node`.
    pub peer_node: PathBuf,
}

impl Programs {
    /// Returns the programs in a folder.
    pub fn in_dir(folder: &Path) -> Self {
        let program = |name: &str| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        Self { index_server: program("index-server"), peer_node: program("peer-node") }
    }
}

/// Returns the programs, built in the profile of this program on the first call.
pub fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| build(true).unwrap_or_else(|error| panic!("{error:#}")))
}

/// Builds the programs with the same cargo and into the same folder as this program; shows cargo's progress unless
/// `quiet`.
pub fn build(quiet: bool) -> Result<Programs> {
    let own = env::current_exe().context("cannot determine the path of this program")?;
    let folder = profile_dir(&own).context("this program is not in a target folder of cargo")?;
    let target = folder.parent().context("the target folder has no parent")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The whole workspace, so that the libraries have the features that its tests use. Cargo's variables about this
    // package are removed: with them, `ring` and its dependents would be rebuilt.
    cargo.args(["build", "--workspace", "--bins"]);
    for (name, _) in env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    cargo.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
    cargo.arg("--target-dir").arg(target).stdin(Stdio::null());
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => {}
        Some(profile) => drop(cargo.args(["--profile", profile])),
        None => bail!("the profile's folder has no name"),
    }
    if quiet {
        cargo.arg("--quiet");
    }
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo could not build index-server and peer-node ({status})");
    }
    Ok(Programs::in_dir(&folder))
}

/// Returns the folder of the profile's programs: that of this program, or its parent if this program is in `deps`.
fn profile_dir(own: &Path) -> Option<PathBuf> {
    let folder = own.parent()?;
    let is_deps = folder.file_name().is_some_and(|name| name == "deps");
    Some(if is_deps { folder.parent()?.to_owned() } else { folder.to_owned() })
}
