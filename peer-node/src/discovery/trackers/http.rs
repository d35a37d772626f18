//! Announces to a tracker over HTTP and HTTPS.
//!
//! Names are resolved and checked here, and connections go only to the addresses that passed, so a name that resolves
//! differently the second time gains nothing. Proxies are not used.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use protocol::limits::MAX_TRACKER_REPLY;
use protocol::tracker::udp::AddressFamily;
use protocol::tracker::{AnnounceReply, AnnounceRequest, TrackerReplyError, with_query};
use reqwest::header::{CONTENT_ENCODING, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::time::timeout;

use super::timeouts::TrackerTimeouts;
use super::tls_trust::{TlsTrust, config_without_roots};
use super::tracker_error::TrackerError;
use super::tracker_host::TrackerHost;
use super::tracker_url::{TrackerAddress, TrackerUrlError};
use crate::source_address::SourceAddress;

/// Maximum number of redirects.
const MAX_REDIRECTS: u32 = 5;

/// User agent sent to trackers.
const USER_AGENT: &str = concat!("Peerdex/", env!("CARGO_PKG_VERSION"));

/// HTTP client for trackers. Each announce uses a new connection, since announces are minutes apart.
#[derive(Debug)]
pub(super) struct TrackerHttpClient {
    timeouts: TrackerTimeouts,
    trust: TlsTrust,
    source: SourceAddress,
}

/// A URL, and the addresses of one family at which its host may be contacted.
struct HttpEndpoint {
    url: Url,
    addresses: Vec<SocketAddr>,
    is_public: bool,
}

impl TrackerHttpClient {
    pub(super) const fn new(timeouts: TrackerTimeouts, trust: TlsTrust, source: SourceAddress) -> Self {
        Self { timeouts, trust, source }
    }

    /// Announces to a URL whose host was resolved.
    pub(super) async fn announce(
        &self,
        url: &Url,
        addresses: Vec<SocketAddr>,
        is_public: bool,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let full_url = with_query(url.as_str(), &request.query());
        let url = Url::parse(&full_url).map_err(|_| TrackerUrlError::InvalidUrl { url: url.to_string() })?;
        let after = self.timeouts.http_reply;
        let endpoint = HttpEndpoint { url, addresses, is_public };
        let response = timeout(after, self.follow(endpoint)).await;
        response.unwrap_or(Err(TrackerError::TimedOut { after }))
    }

    /// Sends the request and follows redirects.
    async fn follow(&self, mut endpoint: HttpEndpoint) -> Result<AnnounceReply, TrackerError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(&endpoint).await?;
            let Some(location) = redirect_location(&response) else { return read_reply(response).await };
            endpoint = self.redirected(&endpoint, &location).await?;
        }
        Err(TrackerError::TooManyRedirects { limit: MAX_REDIRECTS })
    }

    async fn get(&self, endpoint: &HttpEndpoint) -> Result<Response, TrackerError> {
        let is_https = endpoint.url.scheme() == "https";
        let tls = if is_https { self.trust.client_config().await } else { config_without_roots() };
        let no_tls = || TrackerError::ConnectionFailed { reason: "TLS cannot be set up".to_owned() };
        let client = Client::builder()
            .tls_backend_preconfigured(tls.ok_or_else(no_tls)?)
            .no_proxy()
            .redirect(Policy::none())
            // All addresses of an endpoint are of one family.
            .local_address(
                endpoint.addresses.first().and_then(|address| self.source.for_destination(address.ip())),
            )
            .connect_timeout(self.timeouts.connect)
            .resolve_to_addrs(endpoint.url.host_str().unwrap_or_default(), &endpoint.addresses)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| TrackerError::connection_failed(&error))?;
        client.get(endpoint.url.clone()).send().await.map_err(|error| {
            if error.is_timeout() {
                TrackerError::TimedOut { after: self.timeouts.connect }
            } else {
                TrackerError::connection_failed(&error)
            }
        })
    }

    /// Checks the target of a redirect.
    async fn redirected(
        &self,
        endpoint: &HttpEndpoint,
        location: &str,
    ) -> Result<HttpEndpoint, TrackerError> {
        let invalid_url = || TrackerUrlError::InvalidUrl { url: protocol::escape::excerpt(location) };
        let url = endpoint.url.join(location).map_err(|_| invalid_url())?;
        let target = TrackerAddress::from_url(url.clone())?;
        if !matches!(target, TrackerAddress::Http(_)) {
            return Err(TrackerUrlError::UnsupportedScheme { scheme: url.scheme().to_owned() }.into());
        }
        if endpoint.url.scheme() == "https" && url.scheme() != "https" {
            let reason = "an HTTPS tracker redirects to an unencrypted URL";
            return Err(TrackerError::Forbidden { target: target.to_string(), reason });
        }
        let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut host = TrackerHost::resolve(name, port, self.timeouts.lookup)
            .await?
            .without_local_services(&target, url.path())?;
        if endpoint.is_public {
            host = host.public_only(&target)?;
        }
        let is_public = host.is_public();
        let addresses = match endpoint.addresses.first().map(AddressFamily::of) {
            Some(AddressFamily::V6) => host.v6,
            _ => host.v4,
        };
        if addresses.is_empty() {
            return Err(TrackerError::UnknownHost { host: name.to_owned() });
        }
        Ok(HttpEndpoint { url, addresses, is_public })
    }
}

/// Returns the target of a redirect.
fn redirect_location(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Reads the reply. Some trackers refuse with an HTTP error status and a reason in the body.
async fn read_reply(response: Response) -> Result<AnnounceReply, TrackerError> {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let retry_after = wait.map(Duration::from_secs);
    let is_packed = response.headers().get_all(CONTENT_ENCODING).iter().any(is_x_gzip);
    let body = read_body(response).await?;
    let parsed = AnnounceReply::parse(&if is_packed { decompress(&body)? } else { body });
    match parsed {
        Ok(Err(failure)) => Err(TrackerError::Refused(failure)),
        _ if !status.is_success() => Err(TrackerError::Status { status: status.as_u16(), retry_after }),
        Ok(Ok(reply)) => Ok(reply),
        Err(error) => Err(error.into()),
    }
}

/// Returns true for the old name of gzip (RFC 9110, section 8.4.1.3). reqwest decompresses the current name only.
fn is_x_gzip(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"x-gzip")
}

/// Decompresses a body up to the size limit of a reply.
fn decompress(body: &[u8]) -> Result<Vec<u8>, TrackerError> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(body).take(MAX_TRACKER_REPLY as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| TrackerError::connection_failed(&error))?;
    if unpacked.len() > MAX_TRACKER_REPLY {
        return Err(TrackerReplyError::TooLong { limit: MAX_TRACKER_REPLY }.into());
    }
    Ok(unpacked)
}

/// Reads a body up to the size limit of a reply, counted after decompression.
async fn read_body(mut response: Response) -> Result<Vec<u8>, TrackerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TrackerError::connection_failed(&error))? {
        if body.len() + chunk.len() > MAX_TRACKER_REPLY {
            return Err(TrackerReplyError::TooLong { limit: MAX_TRACKER_REPLY }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
