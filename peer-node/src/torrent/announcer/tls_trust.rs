//! Whom a client trusts to vouch for a tracker over HTTPS.

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

/// What the system trusts. Read once: it is the same for all torrents and costs some milliseconds and memory.
static SYSTEM_CONFIG: OnceCell<Option<ClientConfig>> = OnceCell::const_new();

/// Whom a client trusts.
#[derive(Debug, Clone)]
pub(super) enum TlsTrust {
    /// Whom the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise.
    System,
    /// These alone.
    #[cfg(test)]
    Only(CertificateDer<'static>),
}

impl TlsTrust {
    /// Returns what a connection is made with; nothing if TLS cannot be set up at all.
    pub(super) async fn client_config(&self) -> Option<ClientConfig> {
        match self {
            Self::System => SYSTEM_CONFIG.get_or_init(load_system_config).await.clone(),
            #[cfg(test)]
            Self::Only(root) => config_with_roots([root.clone()]),
        }
    }
}

/// Trusts nobody: for connections without TLS.
pub(super) fn trusting_nobody() -> Option<ClientConfig> {
    config_with_roots([])
}

async fn load_system_config() -> Option<ClientConfig> {
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "certificates of the system not read");
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
        .inspect_err(|error| tracing::error!(%error, "no TLS"))
        .ok()?;
    Some(config.with_root_certificates(store).with_no_client_auth())
}
