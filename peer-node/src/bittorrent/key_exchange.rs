//! Runs a key exchange (MSE) over a socket, using the state machines of `protocol`. The caller sets the time limit.

use std::io;
use std::sync::Arc;

use protocol::bittorrent::mse::{
    ExchangeSecret, Initiator, Responder, ResponderNext, ResponderOutput, SECRET_LEN, TorrentKey,
};
use protocol::infohash::Infohash;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::handshake::PeerHandshakeError;
use super::joined_torrent::JoinedTorrent;
use super::wire_stream::WireStream;
use crate::transport::PeerStream;

/// Read size: usually more than one direction of an exchange.
const READ_SIZE: usize = 1 << 10;

/// Performs the key exchange with a peer that we dialled; `payload` is sent as the first bytes of the connection.
pub(super) async fn initiate(
    mut stream: PeerStream,
    infohash: Infohash,
    payload: &[u8],
) -> Result<WireStream, PeerHandshakeError> {
    let (mut initiator, opening) = Initiator::begin(random_secret()?, infohash, payload);
    stream.send_at_once()?;
    stream.write_all(&opening).await.map_err(PeerHandshakeError::before_first_byte)?;
    let mut portion = [0; READ_SIZE];
    let mut received =
        read_some(&mut stream, &mut portion).await.map_err(PeerHandshakeError::before_first_byte)?;
    loop {
        let progress = initiator.receive(received)?;
        stream.write_all(&progress.send).await?;
        if let Some(established) = progress.done {
            return Ok(WireStream::from_key_exchange(stream, established));
        }
        received = read_some(&mut stream, &mut portion).await?;
    }
}

/// Performs the key exchange of an inbound connection that began with `opening`; `identify` looks up the torrent.
pub(super) async fn respond(
    mut stream: PeerStream,
    opening: &[u8],
    identify: impl AsyncFnOnce(TorrentKey) -> Option<Arc<JoinedTorrent>>,
) -> Result<(WireStream, Arc<JoinedTorrent>), PeerHandshakeError> {
    let mut responder = Responder::new(random_secret()?);
    stream.send_at_once()?;
    let mut portion = [0; READ_SIZE];
    let mut answer = responder.receive(opening)?;
    let key = loop {
        stream.write_all(&answer.send).await?;
        if let ResponderNext::Identify(key) = answer.next {
            break key;
        }
        answer = responder.receive(read_some(&mut stream, &mut portion).await?)?;
    };
    let torrent = identify(key).await.ok_or(PeerHandshakeError::UnknownKey)?;
    let mut answer = responder.identify(torrent.offering.infohash())?;
    loop {
        let ResponderOutput { send, next } = answer;
        stream.write_all(&send).await?;
        if let ResponderNext::Done(established) = next {
            return Ok((WireStream::from_key_exchange(stream, established), torrent));
        }
        answer = responder.receive(read_some(&mut stream, &mut portion).await?)?;
    }
}

/// Reads at least one byte.
async fn read_some<'a>(stream: &mut PeerStream, portion: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let count = stream.read(portion).await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(portion.get(..count).unwrap_or_default())
}

fn random_secret() -> io::Result<ExchangeSecret> {
    let mut random = [0; SECRET_LEN];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(ExchangeSecret::new(&random))
}
