//! Runs one torrent until it ends or a signal arrives, and shows its progress.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::Resettable;
use protocol::escape::display_safe;
use protocol::units::DisplaySize;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::TorrentCommandError;
use super::saved_port::SavedPort;
use crate::frontend::cli::EXIT_FORCED;
use crate::frontend::cli::transfer_options::TransferOptions;
use crate::frontend::cli::verbosity_option::VerbosityOption;
use crate::frontend::console::output::ConsoleOutput;
use crate::frontend::console::progress::progress_line;
use crate::frontend::repl::done_lines;
use crate::operations::Download;
use crate::platform::{Signals, StopSignal};
use crate::source_address::SourceAddress;
use crate::throttle::Throttle;
use crate::torrent::standalone::StandaloneTorrent;
use crate::torrent::{NoUsableSource, TorrentSpec};
use crate::transport::TransportConfig;
use crate::view::DownloadState;

/// How often the progress is updated.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Exit status after Ctrl-C, if the selected files are incomplete.
const EXIT_INTERRUPTED: u8 = 130;

/// The options for connections to peers. The environment variables for the limits are those of a node, so they do not apply here.
#[derive(Debug, Clone, Args)]
#[command(
    mut_arg("max_upload_rate", |arg| arg.env(Resettable::Reset)),
    mut_arg("max_download_rate", |arg| arg.env(Resettable::Reset)),
    mut_arg("upload_slots", |arg| arg.env(Resettable::Reset)),
    mut_arg("max_connections", |arg| arg.env(Resettable::Reset)),
)]
pub(crate) struct TorrentPeerOptions {
    /// Accept peers on this port; 0 takes any free port [default: the port of the last run, if it is free]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,

    /// Accept peers on this address
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0")]
    pub listen_host: IpAddr,

    /// Connect to this peer, besides those from trackers; can be repeated
    #[arg(long = "peer", value_name = "ADDRESS:PORT")]
    pub peers: Vec<SocketAddr>,

    /// The limits of transfers.
    #[command(flatten)]
    pub transfers: TransferOptions,

    /// How much of the log is shown.
    #[command(flatten)]
    pub verbosity: VerbosityOption,
}

/// Parses a seed ratio.
pub(super) fn parse_ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio >= 0.0);
    ratio.ok_or_else(|| "expected a ratio of 0 or more, e.g. 1.5".to_owned())
}

/// Runs a torrent until it ends or a signal arrives; returns the program's exit status.
pub(super) fn run_torrent(
    torrent: TorrentSpec,
    options: &TorrentPeerOptions,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    crate::log::init_stderr(options.verbosity.verbose);
    let runtime = Runtime::new().map_err(TorrentCommandError::System)?;
    let code = runtime.block_on(start_and_follow(torrent, options, output));
    // Only blocking calls can be left; do not wait for them.
    runtime.shutdown_background();
    code
}

async fn start_and_follow(
    torrent: TorrentSpec,
    options: &TorrentPeerOptions,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    let mut signals = Signals::listen().map_err(TorrentCommandError::System)?;
    let transfers = &options.transfers;
    let transport = TransportConfig {
        upload_slots: transfers.upload_slots,
        max_connections: transfers.max_connections,
        per_address: transfers.addresses.limits(),
        upload: Throttle::new(transfers.max_upload_rate, None),
        download: Throttle::new(transfers.max_download_rate, None),
        source_address: SourceAddress::from_listener(options.listen_host),
    };
    let metainfo = torrent.metainfo.clone();
    let no_source = NoUsableSource::from_metainfo(&metainfo).filter(|_| torrent.peers.is_empty());
    let folder = torrent.location.folder().unwrap_or(Path::new(".")).to_owned();
    let saved = SavedPort::for_account(metainfo.infohash(), &folder);
    let listener = listen(options, saved.as_ref()).await?;
    let mut solo =
        StandaloneTorrent::start(torrent, listener, transport).map_err(TorrentCommandError::System)?;
    if let Some(saved) = saved {
        save_port(saved, solo.address().port()).await;
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

/// Listens on the requested port; without one, on the port of the last run if it is free, otherwise on any free port.
async fn listen(
    options: &TorrentPeerOptions,
    saved: Option<&SavedPort>,
) -> Result<TcpListener, TorrentCommandError> {
    let address = |port| SocketAddr::new(options.listen_host, port);
    let saved = saved.filter(|_| options.port.is_none()).and_then(SavedPort::port);
    if let Some(port) = saved {
        match TcpListener::bind(address(port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::info!(port, %error, "the port of the last run is not available"),
        }
    }
    let address = address(options.port.unwrap_or(0));
    TcpListener::bind(address).await.map_err(|source| TorrentCommandError::Listen { address, source })
}

/// Saves the port for the next run.
async fn save_port(saved: SavedPort, port: u16) {
    let result = tokio::task::spawn_blocking(move || saved.remember(port)).await;
    if let Ok(Err(error)) = result {
        tracing::debug!(%error, "cannot save the port for the account");
    }
}

/// Shows the progress until the torrent ends or a signal arrives.
async fn follow_torrent(
    solo: &mut StandaloneTorrent,
    mut reporter: TorrentReporter,
    signals: &mut Signals,
    output: &mut ConsoleOutput,
) -> Result<u8, TorrentCommandError> {
    loop {
        let view = Download::from(solo.view().borrow_and_update().clone());
        if let Some(status) = reporter.report(&view, output)? {
            return Ok(status);
        }
        if output.wants_live() {
            let (look, width, _) = output.live_frame();
            output.draw(vec![progress_line(&view, width, look)]);
        }
        tokio::select! {
            changed = tokio::time::timeout(POLL_INTERVAL, solo.view().changed()) => {
                if let Ok(Err(_)) = changed {
                    // The task has ended, so this view is the last.
                    let view = Download::from(solo.view().borrow().clone());
                    return Ok(reporter.report(&view, output)?.unwrap_or(1));
                }
            }
            stop = signals.next() => {
                let is_complete = matches!(view.state, DownloadState::Seeding { .. });
                return Ok(match stop {
                    StopSignal::Interrupt if !is_complete => EXIT_INTERRUPTED,
                    _ => 0,
                });
            }
        }
    }
}

/// The facts that have been reported so far.
#[derive(Debug, Default)]
struct TorrentReporter {
    has_reported_complete: bool,
    /// Why the torrent has no usable source, as reported at the start.
    reported_no_source: Option<String>,
    reported_trouble: Option<String>,
}

impl TorrentReporter {
    /// Reports what has changed; returns the exit status if the torrent has ended.
    fn report(
        &mut self,
        view: &Download,
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
