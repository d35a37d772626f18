//! HTTP trackers controlled by a test.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What the tracker does with a request.
#[derive(Debug, Clone)]
pub(super) enum TrackerAct {
    /// Sends these bytes and closes the connection.
    Send(Vec<u8>),
    /// Sends the first bytes, then repeats the second ones forever.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends these bytes one at a time, with a pause before each.
    Drip(Vec<u8>, Duration),
    /// Sends nothing and keeps the connection open.
    Silent,
    /// Resets the connection.
    Reset,
}

/// A tracker on loopback; stopped on drop.
pub(super) struct ScriptedTracker {
    pub(super) port: u16,
    /// Requested paths with their queries.
    pub(super) paths: mpsc::Receiver<String>,
    _tasks: JoinSet<()>,
}

impl ScriptedTracker {
    /// Starts a tracker that handles each path according to `script`.
    pub(super) async fn start(script: impl Fn(&str) -> TrackerAct + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (path_sender, paths) = mpsc::channel(1000);
        let script = Arc::new(script);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, path_sender) = (script.clone(), path_sender.clone());
                connections.spawn(async move {
                    let Some(path) = read_path(&mut stream).await else { return };
                    let act = script(&path);
                    let _ = path_sender.send(path).await;
                    if matches!(act, TrackerAct::Reset) {
                        let _ = stream.set_zero_linger();
                    }
                    perform(&mut stream, act).await;
                });
            }
        });
        Self { port, paths, _tasks: tasks }
    }

    /// Starts a tracker that handles every request alike.
    pub(super) async fn always(act: TrackerAct) -> Self {
        Self::start(move |_| act.clone()).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/announce", self.port)
    }

    /// Returns the next requested path.
    pub(super) async fn next(&mut self) -> String {
        self.paths.recv().await.expect("the tracker was not contacted")
    }
}

/// Builds a complete response.
pub(super) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Reads the head of a request and returns its path.
pub(super) async fn read_path(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    Some(head.split(' ').nth(1)?.to_owned())
}

async fn perform(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), act: TrackerAct) {
    match act {
        TrackerAct::Send(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        TrackerAct::Endless(head, more) => {
            let mut sent = stream.write_all(&head).await;
            while sent.is_ok() {
                sent = stream.write_all(&more).await;
            }
        }
        TrackerAct::Drip(bytes, pause) => {
            for byte in bytes {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
        TrackerAct::Silent => {
            let _ = stream.read_u8().await;
        }
        TrackerAct::Reset => {}
    }
}
