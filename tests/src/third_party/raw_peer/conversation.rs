use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};

use super::{RawPeerState, RawWire};

/// Serves a connection until either side ends it.
pub(super) fn serve_connection(stream: TcpStream, state: &RawPeerState) {
    // The clone kept by the peer would hold the connection open.
    let Ok(closing) = stream.try_clone() else { return };
    let Ok(mut wire) = RawWire::from_stream(stream) else { return };
    let mut greeted = false;
    // The error is irrelevant: stories check the result on the other side.
    let ended = exchange_messages(&mut wire, state, &mut greeted);
    let _ = closing.shutdown(Shutdown::Both);
    let closed_by_us = ended.is_ok();
    if greeted && !closed_by_us && !state.stopped.load(Ordering::SeqCst) {
        state.disconnects.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns when this side ends the connection. Returns an error when the other side ends it.
fn exchange_messages(wire: &mut RawWire, state: &RawPeerState, greeted: &mut bool) -> Result<()> {
    let guard = state.has_begun.0.lock().expect("no thread panics with it");
    drop(state.has_begun.1.wait_while(guard, |has_begun| !*has_begun).expect("as above"));
    let (infohash, other) = wire.read_handshake()?;
    ensure!(infohash == state.infohash, "another torrent");
    *greeted = true;
    state.handshakes.fetch_add(1, Ordering::SeqCst);
    let port = state.address.port().to_be_bytes();
    let mut peer_id = *b"-RP0001-story peer..";
    peer_id[18..].copy_from_slice(&port);
    wire.send_raw(&state.lie.handshake(infohash, peer_id, other))?;
    wire.send_raw(&state.lie.after_handshake(&state.content))?;
    loop {
        let message = wire.receive()?;
        let (6, &[piece, begin, length]) = (message.id, message.numbers().as_slice()) else { continue };
        state.requests_received.fetch_add(1, Ordering::SeqCst);
        let reply = state.lie.block(&state.content, piece, begin, length);
        wire.send_raw(&reply.bytes)?;
        if reply.hang_up {
            return Ok(());
        }
    }
}
