//! Asks a tracker, over whatever it is spoken to.

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

/// Asks trackers of all kinds. Everything it waits for has a deadline.
#[derive(Debug)]
pub(super) struct TrackerClient {
    timeouts: TrackerTimeouts,
    http: TrackerHttpClient,
    udp: TrackerUdpClient,
}

impl TrackerClient {
    pub(super) fn new(patience: TrackerTimeouts, trust: TlsTrust, source: SourceAddress) -> Self {
        let http = TrackerHttpClient::new(patience, trust, source);
        Self { timeouts: patience, http, udp: TrackerUdpClient::new(patience, source) }
    }

    /// Announces. A tracker with addresses of IPv4 and of IPv6 is asked over both, so that it knows both of ours
    /// (BEP 7); one answer is enough.
    pub(super) async fn announce(
        &self,
        tracker: &TrackerAddress,
        request: &AnnounceRequest,
    ) -> Result<AnnounceReply, TrackerError> {
        let host = self.resolve(tracker).await?;
        let is_public = host.is_public();
        let over = |family: AddressFamily, addresses: Vec<SocketAddr>| async move {
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
                let (v4, v6) = (over(AddressFamily::V4, host.v4), over(AddressFamily::V6, host.v6));
                first_of_both(v4, v6, self.timeouts.other_family).await?
            }
            (_, true) => over(AddressFamily::V4, host.v4).await?,
            (true, _) => over(AddressFamily::V6, host.v6).await?,
        };
        if is_public {
            // It cannot know who is on our machine.
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
            // What is sent first is fixed and nothing that another service takes for a command; path and query follow only to
            // who has answered as a tracker does.
            TrackerAddress::Udp { host, port, .. } => {
                TrackerHost::resolve(host, *port, self.timeouts.lookup).await
            }
        }
    }
}

/// Waits for an answer over either family; once there is one, for the other a little longer.
async fn first_of_both<F>(v4: F, v6: F, patience: Duration) -> Result<AnnounceReply, TrackerError>
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
        Ok(first) => match timeout(patience, other).await {
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
        let patience = Duration::from_millis(10);
        let reply =
            first_of_both(reply_from(60, "1.2.3.4:5"), reply_from(90, "[::1]:6"), patience).await.unwrap();
        assert_eq!((reply.interval, reply.peers.len()), (90, 2));
    }

    #[tokio::test]
    async fn a_reply_from_one_family_is_enough() {
        let patience = Duration::from_millis(10);
        for (v4, v6) in [
            (reply_from(60, "1.2.3.4:5"), Box::pin(pending()) as BoxedReply),
            (Box::pin(pending()), reply_from(60, "1.2.3.4:5")),
            (reply_from(60, "1.2.3.4:5"), failure_of("six")),
            (failure_of("four"), reply_from(60, "1.2.3.4:5")),
        ] {
            assert_eq!(first_of_both(v4, v6, patience).await.unwrap().peers.len(), 1);
        }
        assert!(first_of_both(failure_of("four"), failure_of("six"), patience).await.is_err());
    }
}
