//! Announces to a tracker over the protocol of its URL.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use protocol::tracker::udp::AddressFamily;
use protocol::tracker::{AnnounceReply, AnnounceRequest};
use tokio::time::timeout;

use super::http::TrackerHttpClient;
use super::timeouts::TrackerTimeouts;
use super::tls_trust::TlsTrust;
use super::tracker_error::TrackerError;
use super::tracker_host::TrackerHost;
use super::tracker_url::TrackerAddress;
use super::udp::TrackerUdpClient;
use crate::addresses::is_local;
use crate::source_address::SourceAddress;

/// Client for trackers of all kinds. Every wait has a time limit.
#[derive(Debug)]
pub(super) struct TrackerClient {
    timeouts: TrackerTimeouts,
    http: TrackerHttpClient,
    udp: TrackerUdpClient,
}

impl TrackerClient {
    pub(super) fn new(timeouts: TrackerTimeouts, trust: TlsTrust, source: SourceAddress) -> Self {
        let http = TrackerHttpClient::new(timeouts, trust, source);
        Self { timeouts, http, udp: TrackerUdpClient::new(timeouts, source) }
    }

    /// Announces to a tracker. If it has IPv4 and IPv6 addresses, both are used, so that it learns both of ours (BEP
    /// 7); one reply is enough.
    pub(super) async fn announce(
        &self,
        tracker: &TrackerAddress,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let host = self.resolve(tracker).await?;
        let is_public = host.is_public();
        let announce_over = |family: AddressFamily, addresses: Vec<SocketAddr>| async move {
            tracing::debug!(%tracker, ?family, event = ?request.event, "announcing");
            match tracker {
                TrackerAddress::Http(url) => self.http.announce(url, addresses, is_public, request).await,
                TrackerAddress::Udp { url_data, .. } => {
                    self.udp.announce(&addresses, url_data, request).await
                }
            }
        };
        let mut reply = match (host.v4.is_empty(), host.v6.is_empty()) {
            (false, false) => {
                let (v4, v6) =
                    (announce_over(AddressFamily::V4, host.v4), announce_over(AddressFamily::V6, host.v6));
                first_of_both(v4, v6, self.timeouts.other_family).await?
            }
            (_, true) => announce_over(AddressFamily::V4, host.v4).await?,
            (true, _) => announce_over(AddressFamily::V6, host.v6).await?,
        };
        if is_public {
            // A public tracker cannot know peers on our machine or link.
            reply.peers.retain(|peer| !is_local(peer.address.ip()));
        }
        Ok(reply)
    }

    async fn resolve(&self, tracker: &TrackerAddress) -> Result<TrackerHost, TrackerError> {
        match tracker {
            TrackerAddress::Http(url) => {
                let (name, port) =
                    (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
                TrackerHost::resolve(name, port, self.timeouts.lookup)
                    .await?
                    .without_local_services(tracker, url.path())
            }
            // The fixed first datagram is no command to any other service; path and query are sent only to a host that
            // has replied as a tracker.
            TrackerAddress::Udp { host, port, .. } => {
                TrackerHost::resolve(host, *port, self.timeouts.lookup).await
            }
        }
    }
}

/// Waits for a reply over either family; after the first reply, waits for the other for at most `timeout_after_first`.
async fn first_of_both<F>(v4: F, v6: F, timeout_after_first: Duration) -> Result<AnnounceReply, TrackerError>
where
    F: Future<Output = Result<AnnounceReply, TrackerError>>,
{
    let (v4, v6) = (pin!(v4), pin!(v6));
    let (mut v4, mut v6) = (v4, v6);
    let (first, other) = tokio::select! {
        first = &mut v4 => (first, v6),
        first = &mut v6 => (first, v4),
    };
    match first {
        Err(error) => other.await.map_err(|_| error),
        Ok(first) => match timeout(timeout_after_first, other).await {
            Ok(Ok(second)) => Ok(merge(first, second)),
            _ => Ok(first),
        },
    }
}

fn merge(mut first: AnnounceReply, second: AnnounceReply) -> AnnounceReply {
    first.interval = first.interval.max(second.interval);
    first.min_interval = first.min_interval.max(second.min_interval);
    first.complete = first.complete.max(second.complete);
    first.incomplete = first.incomplete.max(second.incomplete);
    first.peers.extend(second.peers);
    first.named_peers.extend(second.named_peers);
    first.warning = first.warning.or(second.warning);
    first.tracker_id = first.tracker_id.or(second.tracker_id);
    first
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use protocol::tracker::TrackedPeer;

    use super::*;

    type BoxedReply = std::pin::Pin<Box<dyn Future<Output = Result<AnnounceReply, TrackerError>>>>;

    fn reply_from(interval: u32, address: &str) -> BoxedReply {
        let peers = vec![TrackedPeer { address: address.parse().unwrap(), peer_id: None }];
        Box::pin(ready(Ok(AnnounceReply { interval, peers, ..AnnounceReply::default() })))
    }

    fn failure_of(host: &str) -> BoxedReply {
        Box::pin(ready(Err(TrackerError::UnknownHost { host: host.to_owned() })))
    }

    #[tokio::test]
    async fn replies_of_both_families_are_merged() {
        let wait = Duration::from_millis(10);
        let reply =
            first_of_both(reply_from(60, "1.2.3.4:5"), reply_from(90, "[::1]:6"), wait).await.unwrap();
        assert_eq!((reply.interval, reply.peers.len()), (90, 2));
    }

    #[tokio::test]
    async fn a_reply_from_one_family_is_enough() {
        let wait = Duration::from_millis(10);
        for (v4, v6) in [
            (reply_from(60, "1.2.3.4:5"), Box::pin(pending()) as BoxedReply),
            (Box::pin(pending()), reply_from(60, "1.2.3.4:5")),
            (reply_from(60, "1.2.3.4:5"), failure_of("six")),
            (failure_of("four"), reply_from(60, "1.2.3.4:5")),
        ] {
            assert_eq!(first_of_both(v4, v6, wait).await.unwrap().peers.len(), 1);
        }
        assert!(first_of_both(failure_of("four"), failure_of("six"), wait).await.is_err());
    }
}
