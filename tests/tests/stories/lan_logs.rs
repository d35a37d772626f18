//! The contents and order of the chunk logs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tests::eventually::{DEFAULT_TIMEOUT, wait_until};
use tests::lan::{LanPeer, LanPorts};
use tests::third_party::lan_peer::request_chunk;

/// More than the buffers of a connection hold, in bytes.
const LARGE_CHUNK_SIZE: u64 = 16 << 20;

/// Starts an uploader with one large chunk and small ones.
fn uploader(ports: LanPorts) -> (LanPeer, SocketAddr) {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("lan");
    fs::create_dir(&folder).expect("a folder");
    File::create(folder.join("oak_1")).and_then(|file| file.set_len(LARGE_CHUNK_SIZE)).expect("a file");
    for number in 2..=5 {
        fs::write(folder.join(format!("oak_{number}")), "small").expect("a file");
    }
    let command = ports.command("127.0.0.2", &folder, &["upload"]);
    let ours = LanPeer::start(root, command);
    ours.wait_for("serving chunks");
    (ours, SocketAddr::new("127.0.0.2".parse().expect("an address"), ports.chunk_port))
}

/// Requests the large chunk and reads only its first bytes, which proves that the request was received.
fn request_large_chunk(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a listening uploader");
    stream.write_all(br#"{"requested_content": "oak_1"}"#).expect("a sent request");
    stream.read_exact(&mut [0; 100]).expect("the beginning of the chunk");
    stream
}

fn chunk_request(number: u32) -> Vec<u8> {
    format!(r#"{{"requested_content": "oak_{number}"}}"#).into_bytes()
}

fn upload_log(ours: &LanPeer) -> Vec<String> {
    ours.read_text("upload_log.txt").lines().map(|line| line[7..12].to_owned()).collect()
}

#[test]
fn uploads_are_logged_in_the_order_of_the_requests() {
    let (ours, address) = uploader(LanPorts::new());
    let mut large = request_large_chunk(address);
    for number in 2..=5 {
        assert_eq!(request_chunk(address, &chunk_request(number)), b"small");
    }
    std::io::copy(&mut large, &mut std::io::sink()).expect("the rest of the chunk");
    wait_until("all uploads to be logged", DEFAULT_TIMEOUT, || upload_log(&ours).len() == 5);
    let order = ["oak_1", "oak_2", "oak_3", "oak_4", "oak_5"];
    assert_eq!(upload_log(&ours), order);
    ours.wait_for("oak_5 sent to");
    let logged: Vec<String> =
        ours.output().lines().filter_map(|line| Some(line.split_once(" sent to")?.0.to_owned())).collect();
    assert_eq!(logged, order);
}

#[test]
fn stalled_receiver_does_not_delay_the_log() {
    let (ours, address) = uploader(LanPorts::new());
    let large = request_large_chunk(address);
    assert_eq!(request_chunk(address, &chunk_request(2)), b"small");
    wait_until("the upload to be logged", DEFAULT_TIMEOUT, || upload_log(&ours) == ["oak_2"]);
    drop(large);
    // An aborted upload is not logged, and later uploads do not wait for it.
    assert_eq!(request_chunk(address, &chunk_request(3)), b"small");
    wait_until("the next upload to be logged", DEFAULT_TIMEOUT, || upload_log(&ours) == ["oak_2", "oak_3"]);
}

#[test]
fn sequential_uploads_are_logged_in_order() {
    let (ours, address) = uploader(LanPorts::new());
    let numbers: Vec<u32> = (0..12).map(|round| 2 + round * 7 % 4).collect();
    // The uploader waits for a while for clients that keep a connection open after the chunk.
    let mut open = Vec::new();
    for number in &numbers {
        let mut stream = TcpStream::connect(address).expect("a listening uploader");
        stream.write_all(&chunk_request(*number)).expect("a sent request");
        stream.read_exact(&mut [0; 5]).expect("the chunk");
        assert_eq!(stream.read(&mut [0; 1]).expect("the end of the stream"), 0);
        open.push(stream);
    }
    let expected: Vec<String> = numbers.iter().map(|number| format!("oak_{number}")).collect();
    assert_eq!(upload_log(&ours), expected, "a line is written before the end of the stream");
}
