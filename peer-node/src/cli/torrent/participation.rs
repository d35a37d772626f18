//! Runs one torrent until its end or a signal, and shows how it goes.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use clap::{ArgAction, Args};
use protocol::escape::display_safe;
use protocol::units::DisplaySize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::TorrentCommandError;
use super::saved_port::SavedPort;
use crate::cli::address_options::AddressOptions;
use crate::cli::options::{at_least_one, rate};
use crate::cli::{EXIT_FORCED, Signals, StopSignal};
use crate::repl::output::ConsoleOutput;
use crate::repl::{done_lines, progress_line};
use crate::source_address::SourceAddress;
use crate::throttle::Throttle;
use crate::torrent::standalone::StandaloneTorrent;
use crate::torrent::{NoUsableSource, TorrentSpec};
use crate::transport::TransportConfig;
use crate::view::{DownloadState, DownloadView};

/// How often what is shown is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The status after Ctrl-C, if not everything that was wanted is here.
const EXIT_INTERRUPTED: u8 = 130;

/// How a torrent comes to peers.
#[derive(Debug, Clone, Args)]
pub struct TorrentPeerOptions {
    /// The port on which peers are accepted; 0 takes any free one [default: the one of the last run, if it is free].
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// The address on which peers are accepted.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub listen_host: IpAddr,

    /// A peer to try besides those that trackers name; may be repeated.
    #[arg(long = "peer", value_name = "ADDRESS:PORT")]
    pub peers: Vec<SocketAddr>,

    /// How fast all peers together may be sent: bytes a second, as in 10M.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub max_upload_rate: Option<NonZeroU64>,

    /// How fast may be fetched, from all peers together.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub max_download_rate: Option<NonZeroU64>,

    /// How many peers are served at once, besides one in turn; others wait.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub upload_slots: usize,

    /// How many connections there may be.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub max_connections: usize,

    /// What one address may have.
    #[command(flatten)]
    pub addresses: AddressOptions,

    /// Shows the log on stderr; twice for more, three times for everything.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Reads how many times the size is to be given.
pub(super) fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio >= 0.0);
    ratio.ok_or_else(|| "write how many times the size is to be given, as in 1.5".to_owned())
}

/// Takes part in a torrent until its end or a signal; returns the program's status.
pub(super) fn run_torrent(
    wish: TorrentSpec,
    options: &TorrentPeerOptions,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    crate::log::init_stderr(options.verbose);
    let runtime = Runtime::new().map_err(TorrentCommandError::System)?;
    let code = runtime.block_on(start_and_follow(wish, options, output));
    // What is left is at most a call that blocks.
    runtime.shutdown_background();
    code
}

async fn start_and_follow(
    wish: TorrentSpec,
    options: &TorrentPeerOptions,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    let mut signals = Signals::listen().map_err(TorrentCommandError::System)?;
    let bounds = TransportConfig {
        upload_slots: options.upload_slots,
        max_connections: options.max_connections,
        per_address: options.addresses.limits(),
        upload: Throttle::new(options.max_upload_rate, None),
        download: Throttle::new(options.max_download_rate, None),
        source_address: SourceAddress::from_listener(options.listen_host),
    };
    let metainfo = wish.metainfo.clone();
    let no_source = NoUsableSource::of(&metainfo).filter(|_| wish.peers.is_empty());
    let folder = wish.location.folder().unwrap_or(Path::new(".")).to_owned();
    let kept = SavedPort::for_account(metainfo.infohash(), &folder);
    let listener = listen(options, kept.as_ref()).await?;
    let mut solo = StandaloneTorrent::start(wish, listener, bounds).map_err(TorrentCommandError::System)?;
    if let Some(kept) = kept {
        remember(kept, solo.address().port()).await;
    }
    let (name, size) = (display_safe(metainfo.name()).into_owned(), metainfo.geometry().size());
    if output.is_for_person() {
        output.line(format!("{name}  {}  infohash {}", DisplaySize(size), metainfo.infohash()))?;
        output.line(format!("listening on {}", solo.address()))?;
    } else {
        output.line(format!("torrent\t{}\t{name}\t{size}", metainfo.infohash()))?;
        output.line(format!("listening {}", solo.address()))?;
    }
    let no_source = no_source.map(|none| none.to_string());
    if let Some(none) = &no_source {
        if !output.is_for_person() {
            output.line(format!("no-source\t{none}"))?;
        }
        output.warning(none);
    }
    let reporter = TorrentReporter { reported_no_source: no_source, ..TorrentReporter::default() };
    let followed = follow_torrent(&mut solo, reporter, &mut signals, output).await;
    output.clear_live();
    let stopped = tokio::select! {
        () = solo.stop() => true,
        () = signals.interrupted() => false,
    };
    if stopped { followed } else { Ok(EXIT_FORCED) }
}

/// Listens on the port that was asked for, or on that of the last run if it is free, or on any.
async fn listen(
    options: &TorrentPeerOptions,
    kept: Option<&SavedPort>,
) -> Result<TcpListener, TorrentCommandError> {
    let address = |port| SocketAddr::new(options.listen_host, port);
    let kept = kept.filter(|_| options.port.is_none()).and_then(SavedPort::port);
    if let Some(port) = kept {
        match TcpListener::bind(address(port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::info!(port, %error, "the port of the last run is not to be had"),
        }
    }
    let address = address(options.port.unwrap_or(0));
    TcpListener::bind(address).await.map_err(|source| TorrentCommandError::Listen { address, source })
}

/// Remembers the port for the next run.
async fn remember(kept: SavedPort, port: u16) {
    let remembered = tokio::task::spawn_blocking(move || kept.remember(port)).await;
    if let Ok(Err(error)) = remembered {
        tracing::debug!(%error, "the port is not remembered for the account");
    }
}

/// Shows how it goes until it is over or a signal comes.
async fn follow_torrent(
    solo: &mut StandaloneTorrent,
    mut told: TorrentReporter,
    signals: &mut Signals,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    loop {
        let view = solo.view().borrow_and_update().clone();
        if let Some(status) = told.report(&view, output)? {
            return Ok(status);
        }
        if output.wants_live() {
            let (look, width, _) = output.live_frame();
            output.draw(vec![progress_line(&view, width, look)]);
        }
        tokio::select! {
            changed = tokio::time::timeout(POLL_INTERVAL, solo.view().changed()) => {
                if let Ok(Err(_)) = changed {
                    // The task is gone, and with it whoever could say more.
                    let view = solo.view().borrow().clone();
                    return Ok(told.report(&view, output)?.unwrap_or(1));
                }
            }
            stop = signals.next() => {
                let is_whole = matches!(view.state, DownloadState::Seeding { .. });
                return Ok(match stop {
                    StopSignal::Interrupt if !is_whole => EXIT_INTERRUPTED,
                    _ => 0,
                });
            }
        }
    }
}

/// What was said so far.
#[derive(Debug, Default)]
struct TorrentReporter {
    has_reported_complete: bool,
    /// Why nobody can be found, which was told at the start.
    reported_no_source: Option<String>,
    reported_trouble: Option<String>,
}

impl TorrentReporter {
    /// Says what is new; returns the status if it is over.
    fn report(
        &mut self,
        view: &DownloadView,
        output: &mut ConsoleOutput,
    ) -> Result<Option<u8>, TorrentCommandError> {
        if self.reported_trouble != view.warning {
            self.reported_trouble.clone_from(&view.warning);
            if let Some(trouble) = self
                .reported_trouble
                .as_ref()
                .filter(|trouble| self.reported_no_source.as_ref() != Some(trouble))
            {
                output.warning(display_safe(trouble));
            }
        }
        match &view.state {
            DownloadState::Done { .. } | DownloadState::Seeding { .. } => {
                let is_new = !std::mem::replace(&mut self.has_reported_complete, true);
                let (audience, look) = (output.audience(), output.look());
                match &view.state {
                    DownloadState::Seeding { location } if is_new && view.sources.is_empty() => {
                        output.line(format!("seeding\t{}", display_safe(&location.to_string_lossy())))?;
                    }
                    _ if is_new => output.lines(done_lines(view, None, audience, look))?,
                    _ => {}
                }
                Ok(view.state.is_over().then_some(0))
            }
            DownloadState::Failed { reason } => {
                output.error(display_safe(reason));
                Ok(Some(1))
            }
            DownloadState::Cancelled => Ok(Some(1)),
            _ => Ok(None),
        }
    }
}
