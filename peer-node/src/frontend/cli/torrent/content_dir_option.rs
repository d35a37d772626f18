use std::path::PathBuf;

use clap::Args;

/// Where the complete content of a torrent is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ContentDirOption {
    /// The folder that contains the torrent's file, or its folder of files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}
