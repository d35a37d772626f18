//! The programs of the LAN dialect: announcing, discovering, downloading and uploading chunks, each alone or all at once.

mod neighbour_options;
mod options;
mod prompt;

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;

use protocol::escape::display_safe;
use protocol::units::Size;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

pub use neighbour_options::{NeighbourOptions, NoRandomness};
pub use options::{LanCommand, LanOptions};

use neighbour_options::fresh_cookie;

use super::{FORCED, Signals, Stop};
use crate::lan::{
    Bell, ChunkFolder, DownloadError, Downloaded, FolderError, News, Settings, announce, announcing_socket,
    chunk_listener, discover, download, hearing_socket, upload,
};
use crate::repl::output::{Audience, Output, OutputError};
use prompt::{Prompt, Said};

/// News that wait to be shown: as many as one datagram may bring.
const BACKLOG: usize = 512;

/// Why a program of the LAN dialect cannot do its work.
#[derive(Debug, thiserror::Error)]
pub(super) enum LanTrouble {
    /// The folder, or a file that was to be cut, cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Another program has a port.
    #[error("another program uses {address}; stop it, or choose another with {option}")]
    Taken { address: SocketAddr, option: &'static str },
    /// A port or an address cannot be had.
    #[error("cannot listen on {address}: {source}; choose another with {option}")]
    Listen { address: SocketAddr, option: &'static str, source: io::Error },
    /// What was asked for could not be had.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The system does not give what every program needs.
    #[error("cannot run: {0}")]
    System(#[from] io::Error),
    /// Nobody reads what is said.
    #[error(transparent)]
    Unheard(#[from] OutputError),
}

/// Carries a command out and returns the program's status. Blocks.
pub(super) fn run(options: &LanOptions) -> Result<u8, LanTrouble> {
    crate::log::init_stderr(options.shared.verbose);
    let audience = if io::stdout().is_terminal() { Audience::Person } else { Audience::Script };
    let mut output = Output::standard(audience);
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(work(options, &mut output));
    // What is left is at most a call that blocks.
    runtime.shutdown_background();
    match ended {
        // Whoever has closed the output knows.
        Err(LanTrouble::Unheard(error @ OutputError::Closed)) => Ok(error.exit_code()),
        ended => ended,
    }
}

async fn work(options: &LanOptions, output: &mut Output) -> Result<u8, LanTrouble> {
    let mut signals = Signals::listen()?;
    let settings = options.settings()?;
    let folder = Arc::new(ChunkFolder::open(&options.shared.dir)?);
    let (news, mut heard) = mpsc::channel(BACKLOG);
    let mut parts = Parts { folder, settings, bell: Bell::default(), news, tasks: JoinSet::new() };
    if let Some(LanCommand::Download { name }) = &options.command {
        return fetch_one(&parts, name, &mut heard, &mut signals, output).await;
    }
    // To cut a large file takes time.
    let mut prompt = tokio::select! {
        prompt = parts.begin(options, output) => prompt?,
        stop = signals.next() => return Ok(status(stop)),
    };
    loop {
        tokio::select! {
            Some(news) = heard.recv() => show(output, &news)?,
            stop = signals.next() => return Ok(status(stop)),
            // No part ends but by a failure.
            Some(ended) = parts.tasks.join_next() => ended.map_err(io::Error::other)??,
            Some(said) = prompt.next() => match said {
                Said::Name(name) => {
                    if let Some(status) = go_on_with(&parts, &name, &mut heard, &mut signals, output).await? {
                        return Ok(status);
                    }
                }
                Said::TooLong => output.error("that is too long for a name"),
            },
        }
    }
}

const fn status(stop: Stop) -> u8 {
    match stop {
        Stop::Interrupt => FORCED,
        Stop::Terminate => 0,
    }
}

/// What is running.
struct Parts {
    folder: Arc<ChunkFolder>,
    settings: Settings,
    bell: Bell,
    news: mpsc::Sender<News>,
    tasks: JoinSet<Result<(), LanTrouble>>,
}

impl Parts {
    /// Begins with what was asked for, but for a download; returns where names are typed, if they are.
    async fn begin(&mut self, options: &LanOptions, output: &mut Output) -> Result<Prompt, LanTrouble> {
        match &options.command {
            Some(LanCommand::Announce { files }) => {
                self.cut(files, output).await?;
                self.announce(None)?;
            }
            Some(LanCommand::Discover) => self.discover(output)?,
            Some(LanCommand::Upload) => self.upload(Arc::default()),
            Some(LanCommand::Download { .. }) => {}
            None => {
                self.cut(&options.shared.files, output).await?;
                self.discover(output)?;
                let is_giving = Arc::default();
                self.upload(Arc::clone(&is_giving));
                self.announce(Some(is_giving))?;
                if output.is_for_person() {
                    output.line(
                        "the name of a file here, with or without its extension, fetches it; Ctrl-C ends",
                    )?;
                }
                return Ok(Prompt::of_stdin()?);
            }
        }
        Ok(Prompt::silent())
    }

    async fn cut(&self, files: &[PathBuf], output: &mut Output) -> Result<(), LanTrouble> {
        for file in files {
            let (folder, path, count) = (Arc::clone(&self.folder), file.clone(), self.settings.count);
            let cut = tokio::task::spawn_blocking(move || folder.cut(&path, count)).await;
            let chunks = cut.map_err(io::Error::other)??;
            let path = file.to_string_lossy();
            output.line(format!("cut {} into {} chunks", display_safe(&path), chunks.len()))?;
        }
        Ok(())
    }

    /// Announces the chunks, once they are given if that is awaited.
    fn announce(&mut self, is_giving: Option<Arc<Notify>>) -> Result<(), LanTrouble> {
        let socket = announcing_socket(self.settings.host)
            .map_err(|source| listen_error((self.settings.host, 0), "--listen-host", source))?;
        let (folder, settings) = (Arc::clone(&self.folder), self.settings.clone());
        let (bell, news) = (Arc::clone(&self.bell), self.news.clone());
        self.tasks.spawn(async move {
            if let Some(is_giving) = is_giving {
                is_giving.notified().await;
            }
            announce(socket, folder, settings, bell, news).await;
            Ok(())
        });
        Ok(())
    }

    fn discover(&mut self, output: &mut Output) -> Result<(), LanTrouble> {
        let port = self.settings.announce_port;
        let socket = hearing_socket(port)
            .map_err(|source| listen_error((Ipv4Addr::UNSPECIFIED, port), "--announce-port", source))?;
        output.line(format!("listening for announcements on port {port}"))?;
        let (folder, settings, news) = (Arc::clone(&self.folder), self.settings.clone(), self.news.clone());
        self.tasks.spawn(async move {
            discover(socket, folder, settings, news).await;
            Ok(())
        });
        Ok(())
    }

    /// Serves chunks, and reports when that begins.
    fn upload(&mut self, is_giving: Arc<Notify>) {
        let address = SocketAddrV4::new(self.settings.host, self.settings.chunk_port);
        let (folder, settings, news) = (Arc::clone(&self.folder), self.settings.clone(), self.news.clone());
        self.tasks.spawn(async move {
            let listener = chunk_listener(&settings, &news).await;
            let listener = listener.map_err(|source| listen_error(address, "--chunk-port", source))?;
            let _ = news.send(News::Giving { address }).await;
            is_giving.notify_one();
            upload(listener, folder, news).await;
            Ok(())
        });
    }
}

fn listen_error(address: impl Into<SocketAddr>, option: &'static str, source: io::Error) -> LanTrouble {
    let address = address.into();
    match source.kind() {
        io::ErrorKind::AddrInUse => LanTrouble::Taken { address, option },
        // What is wrong is the address.
        io::ErrorKind::AddrNotAvailable => LanTrouble::Listen { address, option: "--listen-host", source },
        _ => LanTrouble::Listen { address, option, source },
    }
}

fn show(output: &mut Output, news: &News) -> Result<(), OutputError> {
    let text = news.to_string();
    if news.is_warning() {
        output.warning(display_safe(&text));
        return Ok(());
    }
    output.line(display_safe(&text))
}

/// Fetches one file and ends.
async fn fetch_one(
    parts: &Parts,
    name: &str,
    heard: &mut mpsc::Receiver<News>,
    signals: &mut Signals,
    output: &mut Output,
) -> Result<u8, LanTrouble> {
    match fetch(parts, name, heard, signals, output).await? {
        Ok(downloaded) => {
            tell(&downloaded, output)?;
            Ok(0)
        }
        Err(Ended::Stopped(stop)) => Ok(status(stop)),
        Err(Ended::Failed(DownloadError::Missing(lines))) => {
            output.lines(lines.lines())?;
            Ok(1)
        }
        Err(Ended::Failed(error)) => Err(error.into()),
    }
}

/// Fetches a file while everything else goes on; returns a status if that is to end.
async fn go_on_with(
    parts: &Parts,
    name: &str,
    heard: &mut mpsc::Receiver<News>,
    signals: &mut Signals,
    output: &mut Output,
) -> Result<Option<u8>, LanTrouble> {
    match fetch(parts, name, heard, signals, output).await? {
        Ok(downloaded) => {
            tell(&downloaded, output)?;
            parts.bell.notify_one();
        }
        Err(Ended::Stopped(stop)) => return Ok(Some(status(stop))),
        Err(Ended::Failed(DownloadError::Missing(lines))) => output.lines(lines.lines())?,
        Err(Ended::Failed(error)) => output.error(display_safe(&error.to_string())),
    }
    Ok(None)
}

/// Why nothing was fetched.
enum Ended {
    Stopped(Stop),
    Failed(DownloadError),
}

async fn fetch(
    parts: &Parts,
    name: &str,
    heard: &mut mpsc::Receiver<News>,
    signals: &mut Signals,
    output: &mut Output,
) -> Result<Result<Downloaded, Ended>, LanTrouble> {
    let fetching = download(&parts.folder, name, &parts.settings, &parts.news);
    tokio::pin!(fetching);
    let fetched = loop {
        tokio::select! {
            biased;
            Some(news) = heard.recv() => show(output, &news)?,
            stop = signals.next() => return Ok(Err(Ended::Stopped(stop))),
            fetched = &mut fetching => break fetched,
        }
    };
    while let Ok(news) = heard.try_recv() {
        show(output, &news)?;
    }
    Ok(fetched.map_err(Ended::Failed))
}

/// Says what is here, and how far it is to be trusted.
fn tell(downloaded: &Downloaded, output: &mut Output) -> Result<(), OutputError> {
    let Downloaded { path, size, digest, is_verified } = downloaded;
    let path = path.to_string_lossy();
    output.lines([
        format!("done\t{}\t{}\tsha256 {digest}", display_safe(&path), Size(*size)),
        if *is_verified {
            "every chunk is what its sharer announced".to_owned()
        } else {
            "not verified: there are no hashes on this wire, so the file is only as trustworthy as the network; compare the sha256 with the sharer's".to_owned()
        },
    ])
}
