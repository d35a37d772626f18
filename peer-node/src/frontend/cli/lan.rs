//! `peer-node lan`: announces, discovers, downloads and uploads chunks in the LAN dialect, each alone or all at once.

mod neighbour_options;
mod options;
mod prompt;

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::units::DisplaySize;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

pub(crate) use neighbour_options::{NeighbourOptions, NoRandomness};
pub(crate) use options::{LanCommand, LanOptions};

use neighbour_options::fresh_cookie;

use super::EXIT_FORCED;
use crate::frontend::console::output::{Audience, ConsoleOutput, OutputError};
use crate::lan::{
    AnnounceTrigger, ChunkFolder, ChunkFolderError, DownloadedFile, LanDownloadError, LanEvent, LanSettings,
    announce, announce_socket, chunk_listener, discover, download, receive_socket, upload,
};
use crate::platform::{Signals, StopSignal};
use prompt::{NamePrompt, TypedLine};

/// Events that wait to be shown: as many as one datagram can cause.
const BACKLOG: usize = 512;

/// Why a LAN command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LanCommandError {
    /// The folder, or a file to split, cannot be used.
    #[error(transparent)]
    Folder(#[from] ChunkFolderError),
    /// Another program uses the port.
    #[error("another program uses {address}; stop it, or choose another with {option}")]
    AddressInUse { address: SocketAddr, option: &'static str },
    /// A port or address cannot be used.
    #[error("cannot listen on {address}: {source}; choose another with {option}")]
    Listen { address: SocketAddr, option: &'static str, source: io::Error },
    /// The requested file cannot be downloaded.
    #[error(transparent)]
    Download(#[from] LanDownloadError),
    /// A system resource that the program needs is missing.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
    /// The output cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs a command and returns the program's exit status. Blocks.
pub(super) fn run(options: &LanOptions) -> Result<u8, LanCommandError> {
    crate::log::init_stderr(options.shared.verbosity.verbose);
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = ConsoleOutput::standard(audience);
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(run_command(options, &mut output));
    // Only blocking calls can be left; do not wait for them.
    runtime.shutdown_background();
    match ended {
        // The reader closed the output itself and needs no message.
        Err(LanCommandError::Output(error @ OutputError::Closed)) => Ok(error.exit_code()),
        ended => ended,
    }
}

async fn run_command(options: &LanOptions, output: &mut ConsoleOutput) -> Result<u8, LanCommandError> {
    let mut signals = Signals::listen()?;
    let settings = options.settings()?;
    let folder = Arc::new(ChunkFolder::open(&options.shared.dir)?);
    let (event_sender, mut events) = mpsc::channel(BACKLOG);
    let mut parts = LanTasks {
        folder,
        settings,
        announce_trigger: AnnounceTrigger::default(),
        event_sender,
        tasks: JoinSet::new(),
    };
    if let Some(LanCommand::Download { name }) = &options.command {
        return fetch_one(&parts, name, &mut events, &mut signals, output).await;
    }
    // Splitting a large file takes time, so a signal may interrupt it.
    let mut prompt = tokio::select! {
        prompt = parts.start(options, output) => prompt?,
        stop = signals.next() => return Ok(exit_status(stop)),
    };
    loop {
        tokio::select! {
            Some(event) = events.recv() => show_event(output, &event)?,
            stop = signals.next() => return Ok(exit_status(stop)),
            // A task ends only by failing.
            Some(ended) = parts.tasks.join_next() => ended.map_err(io::Error::other)??,
            Some(line) = prompt.next() => match line {
                TypedLine::Name(name) => {
                    if let Some(status) = fetch_named(&parts, &name, &mut events, &mut signals, output).await? {
                        return Ok(status);
                    }
                }
                TypedLine::TooLong => output.error("the name is too long"),
            },
        }
    }
}

const fn exit_status(stop: StopSignal) -> u8 {
    match stop {
        StopSignal::Interrupt => EXIT_FORCED,
        StopSignal::Terminate => 0,
    }
}

/// The running tasks and what they share.
struct LanTasks {
    folder: Arc<ChunkFolder>,
    settings: LanSettings,
    announce_trigger: AnnounceTrigger,
    event_sender: mpsc::Sender<LanEvent>,
    tasks: JoinSet<Result<(), LanCommandError>>,
}

impl LanTasks {
    /// Starts the tasks of a command other than a download; returns the prompt for names, disabled if the command has none.
    async fn start(
        &mut self,
        options: &LanOptions,
        output: &mut ConsoleOutput,
    ) -> Result<NamePrompt, LanCommandError> {
        match &options.command {
            Some(LanCommand::Announce { files }) => {
                self.cut_files(files, output).await?;
                self.spawn_announcer(None)?;
            }
            Some(LanCommand::Discover) => self.spawn_receiver(output)?,
            Some(LanCommand::Upload) => self.spawn_uploader(Arc::default()),
            Some(LanCommand::Download { .. }) => {}
            None => {
                self.cut_files(&options.shared.files, output).await?;
                self.spawn_receiver(output)?;
                let is_serving = Arc::default();
                self.spawn_uploader(Arc::clone(&is_serving));
                self.spawn_announcer(Some(is_serving))?;
                if output.is_for_person() {
                    output.line(
                        "type the name of a file, with or without extension, to download it; Ctrl-C quits",
                    )?;
                }
                return Ok(NamePrompt::from_stdin()?);
            }
        }
        Ok(NamePrompt::disabled())
    }

    async fn cut_files(&self, files: &[PathBuf], output: &mut ConsoleOutput) -> Result<(), LanCommandError> {
        for file in files {
            let (folder, path, count) = (Arc::clone(&self.folder), file.clone(), self.settings.chunk_count);
            let cut = tokio::task::spawn_blocking(move || folder.cut(&path, count)).await;
            let chunks = cut.map_err(io::Error::other)??;
            let path = file.to_string_lossy();
            output.line(format!("cut {} into {} chunks", display_safe(&path), chunks.len()))?;
        }
        Ok(())
    }

    /// Announces the chunks, with `is_serving` only once they are served.
    fn spawn_announcer(&mut self, is_serving: Option<Arc<Notify>>) -> Result<(), LanCommandError> {
        let socket = announce_socket(self.settings.host)
            .map_err(|source| listen_error((self.settings.host, 0), "--listen-host", source))?;
        let (folder, settings) = (Arc::clone(&self.folder), self.settings.clone());
        let (trigger, events) = (Arc::clone(&self.announce_trigger), self.event_sender.clone());
        self.tasks.spawn(async move {
            if let Some(is_serving) = is_serving {
                is_serving.notified().await;
            }
            announce(socket, folder, settings, trigger, events).await;
            Ok(())
        });
        Ok(())
    }

    fn spawn_receiver(&mut self, output: &mut ConsoleOutput) -> Result<(), LanCommandError> {
        let port = self.settings.announce_port;
        let socket = receive_socket(port)
            .map_err(|source| listen_error((Ipv4Addr::UNSPECIFIED, port), "--announce-port", source))?;
        output.line(format!("listening for announcements on port {port}"))?;
        let (folder, settings, events) =
            (Arc::clone(&self.folder), self.settings.clone(), self.event_sender.clone());
        self.tasks.spawn(async move {
            discover(socket, folder, settings, events).await;
            Ok(())
        });
        Ok(())
    }

    /// Serves chunks, and notifies `is_serving` when the listener is ready.
    fn spawn_uploader(&mut self, is_serving: Arc<Notify>) {
        let address = SocketAddrV4::new(self.settings.host, self.settings.chunk_port);
        let (folder, settings, events) =
            (Arc::clone(&self.folder), self.settings.clone(), self.event_sender.clone());
        self.tasks.spawn(async move {
            let listener = chunk_listener(&settings, &events).await;
            let listener = listener.map_err(|source| listen_error(address, "--chunk-port", source))?;
            let _ = events.send(LanEvent::Serving { address }).await;
            is_serving.notify_one();
            upload(listener, folder, events).await;
            Ok(())
        });
    }
}

fn listen_error(address: impl Into<SocketAddr>, option: &'static str, source: io::Error) -> LanCommandError {
    let address = address.into();
    match source.kind() {
        io::ErrorKind::AddrInUse => LanCommandError::AddressInUse { address, option },
        // The address is wrong, whichever port was chosen.
        io::ErrorKind::AddrNotAvailable => {
            LanCommandError::Listen { address, option: "--listen-host", source }
        }
        _ => LanCommandError::Listen { address, option, source },
    }
}

fn show_event(output: &mut ConsoleOutput, event: &LanEvent) -> Result<(), OutputError> {
    let text = event.to_string();
    if event.is_warning() {
        output.warning(display_safe(&text));
        return Ok(());
    }
    output.line(display_safe(&text))
}

/// Downloads one file and returns the program's exit status.
async fn fetch_one(
    parts: &LanTasks,
    name: &str,
    events: &mut mpsc::Receiver<LanEvent>,
    signals: &mut Signals,
    output: &mut ConsoleOutput,
) -> Result<u8, LanCommandError> {
    match fetch(parts, name, events, signals, output).await? {
        Ok(downloaded) => {
            report_download(&downloaded, output)?;
            Ok(0)
        }
        Err(FetchEnd::Stopped(stop)) => Ok(exit_status(stop)),
        Err(FetchEnd::Failed(LanDownloadError::Missing(lines))) => {
            output.lines(lines.lines())?;
            Ok(1)
        }
        Err(FetchEnd::Failed(error)) => Err(error.into()),
    }
}

/// Downloads a file while the other tasks keep running; returns an exit status if a signal stops the program.
async fn fetch_named(
    parts: &LanTasks,
    name: &str,
    events: &mut mpsc::Receiver<LanEvent>,
    signals: &mut Signals,
    output: &mut ConsoleOutput,
) -> Result<Option<u8>, LanCommandError> {
    match fetch(parts, name, events, signals, output).await? {
        Ok(downloaded) => {
            report_download(&downloaded, output)?;
            parts.announce_trigger.notify_one();
        }
        Err(FetchEnd::Stopped(stop)) => return Ok(Some(exit_status(stop))),
        Err(FetchEnd::Failed(LanDownloadError::Missing(lines))) => output.lines(lines.lines())?,
        Err(FetchEnd::Failed(error)) => output.error(display_safe(&error.to_string())),
    }
    Ok(None)
}

/// Why a download ended without a file.
enum FetchEnd {
    Stopped(StopSignal),
    Failed(LanDownloadError),
}

async fn fetch(
    parts: &LanTasks,
    name: &str,
    events: &mut mpsc::Receiver<LanEvent>,
    signals: &mut Signals,
    output: &mut ConsoleOutput,
) -> Result<Result<DownloadedFile, FetchEnd>, LanCommandError> {
    let fetching = download(&parts.folder, name, &parts.settings, &parts.event_sender);
    tokio::pin!(fetching);
    let fetched = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => show_event(output, &event)?,
            stop = signals.next() => return Ok(Err(FetchEnd::Stopped(stop))),
            fetched = &mut fetching => break fetched,
        }
    };
    while let Ok(event) = events.try_recv() {
        show_event(output, &event)?;
    }
    Ok(fetched.map_err(FetchEnd::Failed))
}

/// Reports a downloaded file, and whether its content was verified.
fn report_download(downloaded: &DownloadedFile, output: &mut ConsoleOutput) -> Result<(), OutputError> {
    let DownloadedFile { path, size, digest, is_verified } = downloaded;
    let path = path.to_string_lossy();
    output.lines([
        format!("done\t{}\t{}\tsha256 {digest}", display_safe(&path), DisplaySize(*size)),
        if *is_verified {
            "every chunk matches the announced digest".to_owned()
        } else {
            "not verified: the peers announced no digests, so the file is only as trustworthy as the network; compare its sha256 with the sharer's".to_owned()
        },
    ])
}
