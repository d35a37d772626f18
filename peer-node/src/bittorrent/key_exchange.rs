//! Carries the bytes of a key exchange (MSE) between a socket and the state machines that know them. The deadline is the caller's.

use std::io;
use std::sync::Arc;

use protocol::bittorrent::mse::{Answer, Initiator, Next, Responder, SECRET_LEN, Secret, TorrentKey};
use protocol::infohash::Infohash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::channel::Channel;
use super::greeting::GreetingError;
use super::torrent::Torrent;

/// How much is read at once: more than an exchange usually takes in one direction.
const PORTION: usize = 1 << 10;

/// Exchanges keys with the peer that we connected to; `payload` are the first bytes of the connection itself.
pub(super) async fn initiate(
    mut stream: TcpStream,
    infohash: Infohash,
    payload: &[u8],
) -> Result<Channel, GreetingError> {
    let (mut initiator, opening) = Initiator::begin(secret()?, infohash, payload);
    stream.set_nodelay(true)?;
    stream.write_all(&opening).await.map_err(GreetingError::before_any_byte)?;
    let mut portion = [0; PORTION];
    let mut received = read(&mut stream, &mut portion).await.map_err(GreetingError::before_any_byte)?;
    loop {
        let progress = initiator.receive(received)?;
        stream.write_all(&progress.send).await?;
        if let Some(established) = progress.done {
            return Ok(Channel::exchanged(stream, established));
        }
        received = read(&mut stream, &mut portion).await?;
    }
}

/// Exchanges keys with a peer that connected to us, whose first bytes are `opening`; `identify` looks up the torrent.
pub(super) async fn respond(
    mut stream: TcpStream,
    opening: &[u8],
    identify: impl AsyncFnOnce(TorrentKey) -> Option<Arc<Torrent>>,
) -> Result<(Channel, Arc<Torrent>), GreetingError> {
    let mut responder = Responder::new(secret()?);
    stream.set_nodelay(true)?;
    let mut portion = [0; PORTION];
    let mut answer = responder.receive(opening)?;
    let key = loop {
        stream.write_all(&answer.send).await?;
        if let Next::Identify(key) = answer.next {
            break key;
        }
        answer = responder.receive(read(&mut stream, &mut portion).await?)?;
    };
    let torrent = identify(key).await.ok_or(GreetingError::UnknownKey)?;
    let mut answer = responder.named(torrent.offering.infohash())?;
    loop {
        let Answer { send, next } = answer;
        stream.write_all(&send).await?;
        if let Next::Done(established) = next {
            return Ok((Channel::exchanged(stream, established), torrent));
        }
        answer = responder.receive(read(&mut stream, &mut portion).await?)?;
    }
}

/// Reads some bytes, at least one.
async fn read<'a>(stream: &mut TcpStream, portion: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let count = stream.read(portion).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(portion.get(..count).unwrap_or_default())
}

fn secret() -> io::Result<Secret> {
    let mut random = [0; SECRET_LEN];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(Secret::new(&random))
}
