//! What stands in the logs of chunks, and in which order.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tests::eventually::{SOON, until};
use tests::foreign::lan_peer::ask;
use tests::lan::{LanPeer, Wire};

/// More than the buffers of a connection hold.
const LARGE: u64 = 16 << 20;

/// Starts an uploader with a large chunk and small ones.
fn uploader(wire: Wire) -> (LanPeer, SocketAddr) {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("lan");
    fs::create_dir(&folder).expect("a folder");
    File::create(folder.join("oak_1")).and_then(|file| file.set_len(LARGE)).expect("a file");
    for number in 2..=5 {
        fs::write(folder.join(format!("oak_{number}")), "small").expect("a file");
    }
    let command = wire.command("127.0.0.2", &folder, &["upload"]);
    let ours = LanPeer::start(home, command);
    ours.wait_for("giving chunks");
    (ours, SocketAddr::new("127.0.0.2".parse().expect("an address"), wire.chunk_port))
}

/// Requests the large chunk and takes no more than its first bytes, so that the request is known to have been read.
fn begin_large(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("somebody who listens");
    stream.write_all(br#"{"requested_content": "oak_1"}"#).expect("somebody who reads");
    stream.read_exact(&mut [0; 100]).expect("the beginning of the chunk");
    stream
}

fn request(number: u32) -> Vec<u8> {
    format!(r#"{{"requested_content": "oak_{number}"}}"#).into_bytes()
}

fn logged(ours: &LanPeer) -> Vec<String> {
    ours.text("upload_log.txt").lines().map(|line| line[7..12].to_owned()).collect()
}

#[test]
fn uploads_are_logged_in_the_order_of_the_requests() {
    let (ours, address) = uploader(Wire::new());
    let mut large = begin_large(address);
    for number in 2..=5 {
        assert_eq!(ask(address, &request(number)), b"small");
    }
    std::io::copy(&mut large, &mut std::io::sink()).expect("the rest of the chunk");
    until("all uploads to be logged", SOON, || logged(&ours).len() == 5);
    let order = ["oak_1", "oak_2", "oak_3", "oak_4", "oak_5"];
    assert_eq!(logged(&ours), order);
    ours.wait_for("oak_5 sent to");
    let said: Vec<String> =
        ours.output().lines().filter_map(|line| Some(line.split_once(" sent to")?.0.to_owned())).collect();
    assert_eq!(said, order);
}

#[test]
fn who_takes_nothing_does_not_keep_others_from_the_log() {
    let (ours, address) = uploader(Wire::new());
    let large = begin_large(address);
    assert_eq!(ask(address, &request(2)), b"small");
    until("the upload to be logged", SOON, || logged(&ours) == ["oak_2"]);
    drop(large);
    // What broke off is no upload, and nothing waits for it any more.
    assert_eq!(ask(address, &request(3)), b"small");
    until("the next upload to be logged", SOON, || logged(&ours) == ["oak_2", "oak_3"]);
}

#[test]
fn one_after_the_other_stands_in_the_log_as_it_was_asked() {
    let (ours, address) = uploader(Wire::new());
    let asked: Vec<u32> = (0..12).map(|round| 2 + round * 7 % 4).collect();
    // Connections that stay open behind the chunk are waited for a while.
    let mut open = Vec::new();
    for number in &asked {
        let mut stream = TcpStream::connect(address).expect("somebody who listens");
        stream.write_all(&request(*number)).expect("somebody who reads");
        stream.read_exact(&mut [0; 5]).expect("the chunk");
        assert_eq!(stream.read(&mut [0; 1]).expect("the end of the stream"), 0);
        open.push(stream);
    }
    let expected: Vec<String> = asked.iter().map(|number| format!("oak_{number}")).collect();
    assert_eq!(logged(&ours), expected, "a line is written before the end of the stream");
}
