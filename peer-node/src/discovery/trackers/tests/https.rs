use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::scripted_tracker::{read_path, response};
use super::*;

/// An HTTPS tracker with a self-signed certificate.
struct TlsTracker {
    port: u16,
    certificate: CertificateDer<'static>,
    _tasks: JoinSet<()>,
}

impl TlsTracker {
    async fn start(name: &str, last_year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = read_path(&mut stream).await;
                let answer = response("200 OK", "", &reply(&["10.0.0.1:6881"]).encode(true, true));
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, certificate, _tasks: tasks }
    }

    async fn ask(&self, trust: TlsTrust) -> Result<AnnounceReply, TrackerError> {
        let url = format!("https://127.0.0.1:{}/announce", self.port);
        let address = TrackerAddress::parse(&url).unwrap();
        TrackerClient::new(TrackerTimeouts::default(), trust, SourceAddress::default())
            .announce(&address, &request())
            .await
    }
}

#[tokio::test]
async fn a_tracker_with_a_trusted_certificate_is_contacted() {
    let tracker = TlsTracker::start("127.0.0.1", 4000).await;
    let trust = TlsTrust::Only(tracker.certificate.clone());
    assert_eq!(tracker.ask(trust).await.unwrap(), reply(&["10.0.0.1:6881"]));
}

#[tokio::test]
async fn untrusted_certificates_are_refused() {
    let unknown = TlsTracker::start("127.0.0.1", 4000).await;
    let message = unknown.ask(TlsTrust::System).await.unwrap_err().to_string();
    assert!(message.contains("certificate"), "{message}");
    for (name, last_year) in [("tracker.example", 4000), ("127.0.0.1", 2001)] {
        let tracker = TlsTracker::start(name, last_year).await;
        let message = tracker.ask(TlsTrust::Only(tracker.certificate.clone())).await.unwrap_err().to_string();
        assert!(message.contains("certificate"), "{name} {last_year}: {message}");
    }
}
