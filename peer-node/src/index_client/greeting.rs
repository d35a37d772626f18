//! Reaching the index and becoming known to it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use protocol::frame::{FrameBuffer, encode_frame};
use protocol::index::{FromIndex, ListSummary, Notice, Reply, Request, RequestId, ToIndex, proof_text};
use protocol::limits::{MAX_AGENT, MAX_FRAME};
use protocol::preamble::{self, PREAMBLE_LEN, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::IndexConfig;
use super::plain_words::plain_refusal;
use super::probe_key::{ProbeKey, ProbeKeyGuard};
use super::session_error::{SessionError, Violation};
use crate::identity::Identity;

/// How long the index has to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long it has for each of its answers.
const ANSWER: Duration = Duration::from_secs(10);

/// How much is read at once.
pub(super) const READ: usize = 64 << 10;

/// A connection on which the node is known.
pub(super) struct Greeted {
    pub(super) stream: TcpStream,
    pub(super) frames: FrameBuffer,
    pub(super) welcome: Welcome,
    /// Lets the index's calls be answered for as long as the session lasts.
    pub(super) key: ProbeKeyGuard,
}

/// What the index said to it.
#[derive(Debug)]
pub(super) struct Welcome {
    /// Where it sees us.
    pub(super) you: SocketAddr,
    /// The seconds after which it takes us for gone.
    pub(super) lease: u32,
    /// What it has of our list.
    pub(super) list: ListSummary,
    /// What it found when it called our port, if it said so already.
    pub(super) judged: Option<Notice>,
    /// The id for the next request.
    pub(super) next_id: RequestId,
}

/// Connects, says hello and proves who we are.
pub(super) async fn greet(
    config: &IndexConfig,
    identity: &Identity,
    probe_key: &ProbeKey,
) -> Result<Greeted, SessionError> {
    let mut stream = connect(&config.address).await?;
    exchange_preambles(&mut stream).await?;
    let mut greeting = Greeting { stream, frames: FrameBuffer::with_limit(MAX_FRAME), judged: None };
    let node = identity.node_id();
    let hello = Request::Hello { node, port: config.port, agent: short_agent(&config.agent) };
    let Reply::Challenge { nonce } = greeting.ask(1, hello).await? else {
        return Err(Violation::WrongReply { asked: "a challenge" }.into());
    };
    let key = probe_key.hold(nonce);
    let signature = identity.sign(&proof_text(&nonce, &node, config.port));
    let Reply::Welcome { you, lease, list } = greeting.ask(2, Request::Proof { signature }).await? else {
        return Err(Violation::WrongReply { asked: "a welcome" }.into());
    };
    let welcome = Welcome { you, lease, list, judged: greeting.judged, next_id: 3 };
    Ok(Greeted { stream: greeting.stream, frames: greeting.frames, welcome, key })
}

async fn connect(address: &str) -> Result<TcpStream, SessionError> {
    let resolve = |source| SessionError::Resolve { address: address.to_owned(), source };
    let attempt = async {
        let addresses: Vec<_> = lookup_host(address).await.map_err(resolve)?.collect();
        let stream = TcpStream::connect(addresses.as_slice());
        stream.await.map_err(|source| SessionError::Connect { address: address.to_owned(), source })
    };
    let stream = timeout(CONNECT, attempt).await.map_err(|_| SessionError::Connect {
        address: address.to_owned(),
        source: io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", CONNECT.as_secs())),
    })??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn exchange_preambles(stream: &mut TcpStream) -> Result<(), SessionError> {
    let exchange = async {
        stream.write_all(&preamble::encode(Service::Index)).await?;
        let mut theirs = [0; PREAMBLE_LEN];
        match stream.read_exact(&mut theirs).await {
            Ok(_) => Ok(preamble::check(theirs, Service::Index).map_err(Violation::from)?),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(SessionError::Closed { greeted: false })
            }
            Err(error) => Err(error.into()),
        }
    };
    in_time("it should greet", exchange).await
}

async fn in_time<T>(
    waiting_for: &'static str,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    timeout(ANSWER, work).await.unwrap_or(Err(SessionError::Silent { waiting_for, after: ANSWER }))
}

fn short_agent(agent: &str) -> String {
    let mut agent = agent.to_owned();
    agent.truncate(agent.floor_char_boundary(MAX_AGENT));
    agent
}

/// The connection while one question at a time is asked on it.
struct Greeting {
    stream: TcpStream,
    frames: FrameBuffer,
    judged: Option<Notice>,
}

impl Greeting {
    async fn ask(&mut self, id: RequestId, request: Request) -> Result<Reply, SessionError> {
        in_time("it should answer our greeting", async {
            let mut bytes = Vec::new();
            encode_frame(&ToIndex { id, request }, &mut bytes).map_err(Violation::from)?;
            self.stream.write_all(&bytes).await?;
            self.answer(id).await
        })
        .await
    }

    async fn answer(&mut self, asked: RequestId) -> Result<Reply, SessionError> {
        loop {
            match self.message().await? {
                FromIndex::Reply { reply: Reply::Refused(refusal), .. }
                | FromIndex::Notice(Notice::Refused(refusal)) => {
                    return Err(SessionError::Refused(plain_refusal(refusal)));
                }
                FromIndex::Reply { id, reply } if id == asked => return Ok(reply),
                FromIndex::Reply { id, .. } => return Err(Violation::UnknownReply { id }.into()),
                FromIndex::Notice(Notice::Replaced) => return Err(SessionError::Replaced),
                FromIndex::Notice(Notice::ShuttingDown) => return Err(SessionError::ShuttingDown),
                FromIndex::Notice(judged) => self.judged = Some(judged),
            }
        }
    }

    async fn message(&mut self) -> Result<FromIndex, SessionError> {
        let mut chunk = [0; 1024];
        loop {
            if let Some(message) = self.frames.next_message().map_err(Violation::from)? {
                return Ok(message);
            }
            match self.stream.read(&mut chunk).await? {
                0 => return Err(SessionError::Closed { greeted: true }),
                read => self.frames.extend(chunk.get(..read).unwrap_or_default()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_agent_is_cut_between_letters() {
        assert_eq!(short_agent("peer-node/1"), "peer-node/1");
        assert_eq!(short_agent(&"é".repeat(40)).len(), MAX_AGENT);
        assert_eq!(short_agent(&format!("x{}", "é".repeat(40))).len(), MAX_AGENT - 1);
    }
}
