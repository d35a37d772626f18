//! A door with TLS in front of a program that speaks without, and the certificate that vouches for it.

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

/// The door; it closes when it is dropped.
#[derive(Debug)]
pub struct TlsProxy {
    address: SocketAddr,
    certificate: NamedTempFile,
    _runtime: Runtime,
}

impl TlsProxy {
    /// Opens a free port of the loopback, and passes what comes on to `behind`.
    pub fn start(behind: SocketAddr) -> Self {
        let names = vec![Ipv4Addr::LOCALHOST.to_string()];
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(names).expect("a certificate");
        let certificate = NamedTempFile::new().expect("a temporary file");
        std::fs::write(&certificate, cert.pem()).expect("a file that can be written");
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

    /// Gives where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the file with its certificate, as `SSL_CERT_FILE` wants it.
    pub fn certificate(&self) -> &Path {
        self.certificate.path()
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, behind: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Who does not trust the certificate goes away, and whoever is cut off sees it.
            let mut secure = acceptor.accept(stream).await.ok()?;
            let mut plain = TcpStream::connect(behind).await.ok()?;
            copy_bidirectional(&mut secure, &mut plain).await.ok()
        });
    }
}
