//! Asking a tracker over HTTP and HTTPS.
//!
//! Names are looked up and judged here, and a connection is made to exactly those addresses that passed: a name that
//! answers differently when it is looked up a second time gains nothing. Nothing is asked through a proxy.

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
use super::tls_trust::{TlsTrust, trusting_nobody};
use super::tracker_error::TrackerError;
use super::tracker_host::TrackerHost;
use super::tracker_url::{TrackerAddress, TrackerUrlError};
use crate::source_address::SourceAddress;

/// How often a tracker may send us elsewhere.
const MAX_REDIRECTS: u32 = 5;

/// What we call ourselves to a tracker.
const USER_AGENT: &str = concat!("Peerdex/", env!("CARGO_PKG_VERSION"));

/// Asks trackers over HTTP. Each question is a connection of its own, since the next one is half an hour away.
#[derive(Debug)]
pub(super) struct TrackerHttpClient {
    timeouts: TrackerTimeouts,
    trust: TlsTrust,
    source: SourceAddress,
}

/// A page and the addresses of one family at which its host may be asked.
struct HttpEndpoint {
    url: Url,
    addresses: Vec<SocketAddr>,
    is_public: bool,
}

impl TrackerHttpClient {
    pub(super) const fn new(patience: TrackerTimeouts, trust: TlsTrust, source: SourceAddress) -> Self {
        Self { timeouts: patience, trust, source }
    }

    /// Announces at a URL whose host was looked up.
    pub(super) async fn announce(
        &self,
        url: &Url,
        addresses: Vec<SocketAddr>,
        is_public: bool,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let asked = with_query(url.as_str(), &request.query());
        let url = Url::parse(&asked).map_err(|_| TrackerUrlError::NotAUrl { url: url.to_string() })?;
        let after = self.timeouts.http_reply;
        let page = HttpEndpoint { url, addresses, is_public };
        let response = timeout(after, self.follow(page)).await;
        response.unwrap_or(Err(TrackerError::TimedOut { after }))
    }

    /// Asks, there and wherever else it is sent.
    async fn follow(&self, mut page: HttpEndpoint) -> Result<AnnounceReply, TrackerError> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(&page).await?;
            let Some(location) = redirect_location(&response) else { return read_reply(response).await };
            page = self.redirected(&page, &location).await?;
        }
        Err(TrackerError::TooManyRedirects { limit: MAX_REDIRECTS })
    }

    async fn get(&self, page: &HttpEndpoint) -> Result<Response, TrackerError> {
        let is_secret = page.url.scheme() == "https";
        let tls = if is_secret { self.trust.client_config().await } else { trusting_nobody() };
        let no_tls = || TrackerError::ConnectionFailed { reason: "TLS cannot be set up".to_owned() };
        let client = Client::builder()
            .tls_backend_preconfigured(tls.ok_or_else(no_tls)?)
            .no_proxy()
            .redirect(Policy::none())
            // All addresses of a page are of one family.
            .local_address(
                page.addresses.first().and_then(|address| self.source.for_destination(address.ip())),
            )
            .connect_timeout(self.timeouts.connect)
            .resolve_to_addrs(page.url.host_str().unwrap_or_default(), &page.addresses)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| TrackerError::connection_failed(&error))?;
        client.get(page.url.clone()).send().await.map_err(|error| {
            if error.is_timeout() {
                TrackerError::TimedOut { after: self.timeouts.connect }
            } else {
                TrackerError::connection_failed(&error)
            }
        })
    }

    /// Judges where a page sends to.
    async fn redirected(&self, page: &HttpEndpoint, location: &str) -> Result<HttpEndpoint, TrackerError> {
        let shown = || TrackerUrlError::NotAUrl { url: protocol::escape::excerpt(location) };
        let url = page.url.join(location).map_err(|_| shown())?;
        let place = TrackerAddress::from_url(url.clone())?;
        if !matches!(place, TrackerAddress::Http(_)) {
            return Err(TrackerUrlError::OtherScheme { scheme: url.scheme().to_owned() }.into());
        }
        if page.url.scheme() == "https" && url.scheme() != "https" {
            let reason = "what was asked in secret is not asked in the open";
            return Err(TrackerError::Forbidden { place: place.to_string(), reason });
        }
        let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut host = TrackerHost::resolve(name, port, self.timeouts.lookup)
            .await?
            .without_local_services(&place, url.path())?;
        if page.is_public {
            host = host.public_only(&place)?;
        }
        let is_public = host.is_public();
        let addresses = match page.addresses.first().map(AddressFamily::of) {
            Some(AddressFamily::V6) => host.v6,
            _ => host.v4,
        };
        if addresses.is_empty() {
            return Err(TrackerError::UnknownHost { host: name.to_owned() });
        }
        Ok(HttpEndpoint { url, addresses, is_public })
    }
}

/// Returns where a response sends to.
fn redirect_location(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Reads the answer. Some trackers refuse with a status of HTTP and their words besides.
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

/// Returns true for the old name of gzip (RFC 9110, section 8.4.1.3). What is packed under its present name comes unpacked.
fn is_x_gzip(encoding: &HeaderValue) -> bool {
    encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"x-gzip")
}

/// Unpacks a body as far as an answer may reach.
fn decompress(body: &[u8]) -> Result<Vec<u8>, TrackerError> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(body).take(MAX_TRACKER_REPLY as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| TrackerError::connection_failed(&error))?;
    if unpacked.len() > MAX_TRACKER_REPLY {
        return Err(TrackerReplyError::TooLong { limit: MAX_TRACKER_REPLY }.into());
    }
    Ok(unpacked)
}

/// Reads a body as far as an answer may reach, counted after it was unpacked.
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
