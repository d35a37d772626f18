//! Asking a tracker over HTTP and HTTPS.
//!
//! Names are looked up and judged here, and a connection is made to exactly those addresses that passed: a name that
//! answers differently when it is looked up a second time gains nothing. Nothing is asked through a proxy.

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use protocol::limits::MAX_TRACKER_REPLY;
use protocol::tracker::udp::Family;
use protocol::tracker::{AnnounceReply, AnnounceRequest, ReplyError, with_query};
use reqwest::header::{CONTENT_ENCODING, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::time::timeout;

use super::host::Host;
use super::patience::Patience;
use super::tracker_address::{AddressError, TrackerAddress};
use super::tracker_error::TrackerError;
use super::trust::{Trust, nobody};
use crate::source_address::SourceAddress;

/// How often a tracker may send us elsewhere.
const MOST_REDIRECTS: u32 = 5;

/// What we call ourselves to a tracker.
const AGENT: &str = concat!("Peerdex/", env!("CARGO_PKG_VERSION"));

/// Asks trackers over HTTP. Each question is a connection of its own, since the next one is half an hour away.
#[derive(Debug)]
pub(super) struct HttpClient {
    patience: Patience,
    trust: Trust,
    source: SourceAddress,
}

/// A page and the addresses of one family at which its host may be asked.
struct Page {
    url: Url,
    addresses: Vec<SocketAddr>,
    is_public: bool,
}

impl HttpClient {
    pub(super) const fn new(patience: Patience, trust: Trust, source: SourceAddress) -> Self {
        Self { patience, trust, source }
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
        let url = Url::parse(&asked).map_err(|_| AddressError::NotAUrl { url: url.to_string() })?;
        let after = self.patience.answer;
        let page = Page { url, addresses, is_public };
        let response = timeout(after, self.follow(page)).await;
        response.unwrap_or(Err(TrackerError::TooSlow { after }))
    }

    /// Asks, there and wherever else it is sent.
    async fn follow(&self, mut page: Page) -> Result<AnnounceReply, TrackerError> {
        for _ in 0..=MOST_REDIRECTS {
            let response = self.get(&page).await?;
            let Some(location) = moved(&response) else { return answer(response).await };
            page = self.next(&page, &location).await?;
        }
        Err(TrackerError::SendsOn { limit: MOST_REDIRECTS })
    }

    async fn get(&self, page: &Page) -> Result<Response, TrackerError> {
        let is_secret = page.url.scheme() == "https";
        let tls = if is_secret { self.trust.tls().await } else { nobody() };
        let no_tls = || TrackerError::NoConversation { reason: "TLS cannot be set up".to_owned() };
        let client = Client::builder()
            .tls_backend_preconfigured(tls.ok_or_else(no_tls)?)
            .no_proxy()
            .redirect(Policy::none())
            // All addresses of a page are of one family.
            .local_address(page.addresses.first().and_then(|address| self.source.toward(address.ip())))
            .connect_timeout(self.patience.connection)
            .resolve_to_addrs(page.url.host_str().unwrap_or_default(), &page.addresses)
            .user_agent(AGENT)
            .build()
            .map_err(|error| TrackerError::on_the_way(&error))?;
        client.get(page.url.clone()).send().await.map_err(|error| {
            if error.is_timeout() {
                TrackerError::TooSlow { after: self.patience.connection }
            } else {
                TrackerError::on_the_way(&error)
            }
        })
    }

    /// Judges where a page sends to.
    async fn next(&self, page: &Page, location: &str) -> Result<Page, TrackerError> {
        let shown = || AddressError::NotAUrl { url: protocol::escape::excerpt(location) };
        let url = page.url.join(location).map_err(|_| shown())?;
        let place = TrackerAddress::of(url.clone())?;
        if !matches!(place, TrackerAddress::Http(_)) {
            return Err(AddressError::OtherScheme { scheme: url.scheme().to_owned() }.into());
        }
        if page.url.scheme() == "https" && url.scheme() != "https" {
            let reason = "what was asked in secret is not asked in the open";
            return Err(TrackerError::Forbidden { place: place.to_string(), reason });
        }
        let (name, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut host = Host::find(name, port, self.patience.name).await?.outside(&place, url.path())?;
        if page.is_public {
            host = host.public(&place)?;
        }
        let is_public = host.is_public();
        let addresses = match page.addresses.first().map(Family::of) {
            Some(Family::V6) => host.v6,
            _ => host.v4,
        };
        if addresses.is_empty() {
            return Err(TrackerError::UnknownHost { host: name.to_owned() });
        }
        Ok(Page { url, addresses, is_public })
    }
}

/// Returns where a response sends to.
fn moved(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// Reads the answer. Some trackers refuse with a status of HTTP and their words besides.
async fn answer(response: Response) -> Result<AnnounceReply, TrackerError> {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
    let retry_after = wait.map(Duration::from_secs);
    let is_packed = response.headers().get_all(CONTENT_ENCODING).iter().any(is_x_gzip);
    let body = body(response).await?;
    let parsed = AnnounceReply::parse(&if is_packed { unpacked(&body)? } else { body });
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
fn unpacked(body: &[u8]) -> Result<Vec<u8>, TrackerError> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(body).take(MAX_TRACKER_REPLY as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(|error| TrackerError::on_the_way(&error))?;
    if unpacked.len() > MAX_TRACKER_REPLY {
        return Err(ReplyError::TooLong { limit: MAX_TRACKER_REPLY }.into());
    }
    Ok(unpacked)
}

/// Reads a body as far as an answer may reach, counted after it was unpacked.
async fn body(mut response: Response) -> Result<Vec<u8>, TrackerError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TrackerError::on_the_way(&error))? {
        if body.len() + chunk.len() > MAX_TRACKER_REPLY {
            return Err(ReplyError::TooLong { limit: MAX_TRACKER_REPLY }.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
