use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};

use super::{RawPeerState, RawWire};

/// Speaks with whoever connected until one of both has enough.
pub(super) fn serve_connection(stream: TcpStream, stage: &RawPeerState) {
    // What is kept of it elsewhere would hold it open.
    let Ok(closing) = stream.try_clone() else { return };
    let Ok(mut wire) = RawWire::from_stream(stream) else { return };
    let mut greeted = false;
    // However it ends, it is the other side's verdict that a story looks at.
    let ended = exchange_messages(&mut wire, stage, &mut greeted);
    let _ = closing.shutdown(Shutdown::Both);
    let hung_up_by_us = ended.is_ok();
    if greeted && !hung_up_by_us && !stage.stopped.load(Ordering::SeqCst) {
        stage.disconnects.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns when this side ends the connection; the other side's end is an error.
fn exchange_messages(wire: &mut RawWire, stage: &RawPeerState, greeted: &mut bool) -> Result<()> {
    let speaks = stage.has_begun.0.lock().expect("no thread panics with it");
    drop(stage.has_begun.1.wait_while(speaks, |speaks| !*speaks).expect("as above"));
    let (infohash, other) = wire.read_handshake()?;
    ensure!(infohash == stage.infohash, "another torrent");
    *greeted = true;
    stage.handshakes.fetch_add(1, Ordering::SeqCst);
    let port = stage.address.port().to_be_bytes();
    let mut own = *b"-RP0001-story peer..";
    own[18..].copy_from_slice(&port);
    wire.send_raw(&stage.lie.handshake(infohash, own, other))?;
    wire.send_raw(&stage.lie.after_handshake(&stage.content))?;
    loop {
        let message = wire.receive()?;
        let (6, &[piece, begin, length]) = (message.id, message.numbers().as_slice()) else { continue };
        stage.requests_received.fetch_add(1, Ordering::SeqCst);
        let said = stage.lie.block(&stage.content, piece, begin, length);
        wire.send_raw(&said.bytes)?;
        if said.hang_up {
            return Ok(());
        }
    }
}
