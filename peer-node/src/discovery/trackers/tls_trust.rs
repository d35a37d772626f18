//! The certificates that a client trusts for HTTPS trackers.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// The system's certificates. Loaded once, since they are the same for all torrents and take time and memory.
static SYSTEM_CONFIG: OnceCell<Option<ClientConfig>> = OnceCell::const_new();

/// The trusted certificates.
#[derive(Debug, Clone)]
pub(super) enum TlsTrust {
    /// Those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    System,
    /// Only this one.
    #[cfg(test)]
    Only(CertificateDer<'static>),
}

impl TlsTrust {
    /// Returns the TLS configuration of a client; none if TLS cannot be set up.
    pub(super) async fn client_config(&self) -> Option<ClientConfig> {
        match self {
            Self::System => SYSTEM_CONFIG.get_or_init(load_system_config).await.clone(),
            #[cfg(test)]
            Self::Only(root) => config_with_roots([root.clone()]),
        }
    }
}

/// Returns a configuration that trusts no certificate, for connections without TLS.
pub(super) fn config_without_roots() -> Option<ClientConfig> {
    config_with_roots([])
}

async fn load_system_config() -> Option<ClientConfig> {
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "cannot read certificates of the system");
        }
        config_with_roots(found.certs)
    };
    spawn_blocking(read).await.ok().flatten()
}

fn config_with_roots(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Option<ClientConfig> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .inspect_err(|error| tracing::error!(%error, "cannot set up TLS"))
        .ok()?;
    Some(config.with_root_certificates(store).with_no_client_auth())
}
