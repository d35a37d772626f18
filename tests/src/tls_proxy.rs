//! A TLS proxy in front of a plaintext server, and its certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

/// The proxy; it stops when it is dropped.
#[derive(Debug)]
pub struct TlsProxy {
    address: SocketAddr,
    certificate: NamedTempFile,
    _runtime: Runtime,
}

impl TlsProxy {
    /// Listens on a free loopback port and forwards connections to `behind`.
    pub fn start(behind: SocketAddr) -> Self {
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let certificate = NamedTempFile::new().expect("a temporary file");
        std::fs::write(&certificate, cert.pem()).expect("a writable file");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
            .expect("a key that fits its certificate");
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_io().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), behind));
        Self { address, certificate, _runtime: runtime }
    }

    /// Returns the address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate file, in the format of `SSL_CERT_FILE`.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that rejects the certificate disconnects, and a client whose connection breaks notices.
            let mut secure = acceptor.accept(stream).await.ok()?;
            let mut plain = TcpStream::connect(behind).await.ok()?;
            copy_bidirectional(&mut secure, &mut plain).await.ok()
        });
    }
}
