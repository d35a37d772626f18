use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use protocol::peer::PeerMessage;
use protocol::probe::probe_answer;

use super::HostilePeerState;
use crate::wire::FrameConnection;

/// Speaks with whoever connected until one of both has enough.
pub(super) fn serve_connection(stream: TcpStream, stage: &HostilePeerState) {
    // However it ends, it is the other side's verdict that a story looks at.
    let _ = exchange_messages(stream, stage);
}

fn exchange_messages(stream: TcpStream, stage: &HostilePeerState) -> Result<()> {
    let mut wire = FrameConnection::accept(stream)?;
    match wire.receive()? {
        PeerMessage::Probe { challenge } => {
            return wire.send(&PeerMessage::ProbeAnswer { answer: probe_answer(&stage.nonce, &challenge) });
        }
        PeerMessage::Hello { .. } | PeerMessage::Greet { .. } if stage.lie == super::Lie::NeverGreets => {
            // Until the other side has enough.
            while wire.receive::<PeerMessage>().is_ok() {}
            return Ok(());
        }
        PeerMessage::Hello { .. } | PeerMessage::Greet { .. } => {
            wire.send_greeting(stage.node, stage.address.port())?;
        }
        _ => return Ok(()),
    }
    let (lie, content, claim) = (stage.lie, &stage.content, &stage.claim);
    loop {
        let message = wire.receive()?;
        if matches!(message, PeerMessage::Open { .. } | PeerMessage::OpenWithManifest { .. }) {
            stage.opens_received.fetch_add(1, Ordering::SeqCst);
        }
        let said = match message {
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
                stage.requests_received.fetch_add(1, Ordering::SeqCst);
                lie.block(content, block)
            }
            _ => continue,
        };
        match lie.rate() {
            Some(rate) => send_slowly(&mut wire, &said.bytes, rate)?,
            None => wire.send_raw(&said.bytes)?,
        }
        if said.hang_up {
            return Ok(());
        }
    }
}

/// Sends bytes as slowly as is said; a short answer goes at once.
fn send_slowly(wire: &mut FrameConnection, bytes: &[u8], rate: usize) -> Result<()> {
    let pause = Duration::from_millis(100);
    for part in bytes.chunks(rate / 10) {
        wire.send_raw(part)?;
        thread::sleep(pause);
    }
    Ok(())
}
