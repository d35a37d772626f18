//! The real programs, built once.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// Where the programs lie.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The `index-server`.
    pub index_server: PathBuf,
    /// The `peer-node`.
    pub peer_node: PathBuf,
}

impl Programs {
    /// Returns those that lie in a folder.
    pub fn in_dir(folder: &Path) -> Self {
        let program = |name: &str| folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        Self { index_server: program("index-server"), peer_node: program("peer-node") }
    }
}

/// Returns the programs, built in the profile of the running one the first time they are asked for.
pub fn programs() -> &'static Programs {
    static BUILT: OnceLock<Programs> = OnceLock::new();
    BUILT.get_or_init(|| build(true).unwrap_or_else(|error| panic!("{error:#}")))
}

/// Builds the programs with the cargo that built this one, beside this one; `quiet` or with cargo's own progress.
pub fn build(quiet: bool) -> Result<Programs> {
    let own = env::current_exe().context("cannot tell where this program lies")?;
    let folder = profile_dir(&own).context("this program does not lie in a target folder of cargo's")?;
    let target = folder.parent().context("the target folder has no parent")?;
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // All of the workspace, so that the libraries are those that its tests are built with; and without what cargo told this
    // program of its package, since `ring` and all that uses it would be built anew for that.
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

/// The folder that cargo puts a profile's programs in: that of this one, or the one around `deps`.
fn profile_dir(own: &Path) -> Option<PathBuf> {
    let folder = own.parent()?;
    let is_deps = folder.file_name().is_some_and(|name| name == "deps");
    Some(if is_deps { folder.parent()?.to_owned() } else { folder.to_owned() })
}
