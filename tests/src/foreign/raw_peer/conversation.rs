use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;

use anyhow::{Result, ensure};

use super::{RawWire, Stage};

/// Speaks with whoever connected until one of both has enough.
pub(super) fn hold(stream: TcpStream, stage: &Stage) {
    // What is kept of it elsewhere would hold it open.
    let Ok(closing) = stream.try_clone() else { return };
    let Ok(mut wire) = RawWire::over(stream) else { return };
    let mut greeted = false;
    // However it ends, it is the other side's verdict that a story looks at.
    let ended = speak(&mut wire, stage, &mut greeted);
    let _ = closing.shutdown(Shutdown::Both);
    let hung_up_by_us = ended.is_ok();
    if greeted && !hung_up_by_us && !stage.over.load(Ordering::SeqCst) {
        stage.left.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns when this side ends the connection; the other side's end is an error.
fn speak(wire: &mut RawWire, stage: &Stage, greeted: &mut bool) -> Result<()> {
    let speaks = stage.speaks.0.lock().expect("no thread panics with it");
    drop(stage.speaks.1.wait_while(speaks, |speaks| !*speaks).expect("as above"));
    let (infohash, other) = wire.read_handshake()?;
    ensure!(infohash == stage.infohash, "another torrent");
    *greeted = true;
    stage.greeted.fetch_add(1, Ordering::SeqCst);
    let port = stage.address.port().to_be_bytes();
    let mut own = *b"-RP0001-story peer..";
    own[18..].copy_from_slice(&port);
    wire.send_raw(&stage.lie.handshake(infohash, own, other))?;
    wire.send_raw(&stage.lie.greeting(&stage.content))?;
    loop {
        let message = wire.receive()?;
        let (6, &[piece, begin, length]) = (message.id, message.numbers().as_slice()) else { continue };
        stage.asked.fetch_add(1, Ordering::SeqCst);
        let said = stage.lie.block(&stage.content, piece, begin, length);
        wire.send_raw(&said.bytes)?;
        if said.hang_up {
            return Ok(());
        }
    }
}
