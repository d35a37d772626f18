use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use protocol::peer::PeerMessage;
use protocol::probe::probe_answer;

use super::HostilePeerState;
use crate::wire::FrameConnection;

/// Serves a connection until either side ends it.
pub(super) fn serve_connection(stream: TcpStream, state: &HostilePeerState) {
    // The error is irrelevant: stories check the result on the other side.
    let _ = exchange_messages(stream, state);
}

fn exchange_messages(stream: TcpStream, state: &HostilePeerState) -> Result<()> {
    let mut wire = FrameConnection::accept(stream)?;
    match wire.receive()? {
        PeerMessage::Probe { challenge } => {
            return wire.send(&PeerMessage::ProbeAnswer { answer: probe_answer(&state.nonce, &challenge) });
        }
        PeerMessage::Hello { .. } | PeerMessage::Greet { .. } if state.lie == super::Lie::NeverGreets => {
            // Until the other side disconnects.
            while wire.receive::<PeerMessage>().is_ok() {}
            return Ok(());
        }
        PeerMessage::Hello { .. } | PeerMessage::Greet { .. } => {
            wire.send_greeting(state.node, state.address.port())?;
        }
        _ => return Ok(()),
    }
    let (lie, content, claim) = (state.lie, &state.content, &state.claim);
    loop {
        let message = wire.receive()?;
        if matches!(message, PeerMessage::Open { .. } | PeerMessage::OpenWithManifest { .. }) {
            state.opens_received.fetch_add(1, Ordering::SeqCst);
        }
        let reply = match message {
            PeerMessage::Open { channel, digest } if digest == content.digest => {
                lie.offer(content, claim, channel)
            }
            PeerMessage::OpenWithManifest { channel, digest, states } if digest == content.digest => {
                lie.offer_with_manifest(content, claim, channel, states)
            }
            PeerMessage::Open { channel, .. } | PeerMessage::OpenWithManifest { channel, .. } => {
                super::Lie::NotShared.offer(content, claim, channel)
            }
            PeerMessage::WantManifest { channel, first, count } => {
                lie.manifest_part(claim, channel, first, count)
            }
            PeerMessage::Request(block) => {
                state.requests_received.fetch_add(1, Ordering::SeqCst);
                lie.block(content, block)
            }
            _ => continue,
        };
        match lie.rate() {
            Some(rate) => send_slowly(&mut wire, &reply.bytes, rate)?,
            None => wire.send_raw(&reply.bytes)?,
        }
        if reply.hang_up {
            return Ok(());
        }
    }
}

/// Sends bytes at the given rate; a short reply is sent at once.
fn send_slowly(wire: &mut FrameConnection, bytes: &[u8], rate: usize) -> Result<()> {
    let pause = Duration::from_millis(100);
    for part in bytes.chunks(rate / 10) {
        wire.send_raw(part)?;
        thread::sleep(pause);
    }
    Ok(())
}
