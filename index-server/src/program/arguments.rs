use std::path::PathBuf;

use clap::{ArgAction, Parser};

use crate::limits::Limits;

/// The index of a Peerdex network: peers register their files here and find those of others.
#[derive(Debug, Parser)]
#[command(version)]
pub(super) struct Arguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", env = "INDEX_SERVER_LISTEN", default_value = "127.0.0.1:1313")]
    pub(super) listen: String,

    /// Folder for everything that is registered; made if there is none
    #[arg(long, value_name = "FOLDER", env = "INDEX_SERVER_DATA_DIR", default_value = "index-data")]
    pub(super) data_dir: PathBuf,

    /// The most connections at once
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS", default_value_t = 10_000)]
    max_connections: usize,

    /// The most connections at once from one address (this machine is exempt)
    #[arg(long, value_name = "N", env = "INDEX_SERVER_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 1000)]
    max_connections_per_address: usize,

    /// Says more on standard error: -v decisions, -vv everything; `RUST_LOG` goes before it
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
}

impl Arguments {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            connections_per_address: self.max_connections_per_address,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_options_are_consistent() {
        Arguments::command().debug_assert();
    }
}
