//! A client for the metrics of an index.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::eventually::DEFAULT_TIMEOUT;

/// The HTTP address of an index's metrics.
#[derive(Debug, Clone, Copy)]
pub struct MetricsClient(SocketAddr);

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl MetricsClient {
    /// Creates a client for an address.
    pub const fn at(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Returns the address.
    pub const fn address(&self) -> SocketAddr {
        self.0
    }

    /// Fetches a page, with the index's address as the host name.
    pub fn get(&self, path: &str) -> HttpResponse {
        self.send_request(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.0))
    }

    /// Sends any request and reads until the index closes the connection.
    pub fn send_request(&self, request: &str) -> HttpResponse {
        let mut stream = TcpStream::connect(self.0).expect("a port that accepts");
        stream.set_read_timeout(Some(DEFAULT_TIMEOUT)).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("headers and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        HttpResponse { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Returns a metric by its name, with its labels if it has any.
    pub fn value(&self, name: &str) -> f64 {
        let page = self.get("/metrics").body;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{page}"))
    }
}
