use proptest::prelude::*;

use super::*;
use crate::infohash::Infohash;
use crate::tracker::ScrapeEntry;
use crate::tracker::tests::{address, request};

fn udp_request() -> impl Strategy<Value = UdpRequest> {
    let url_data = prop::collection::vec(any::<u8>(), 0..600);
    let ids = any::<(u64, u32)>();
    let announce = (ids, request(), url_data).prop_map(|((connection, transaction), request, url_data)| {
        let request = crate::tracker::AnnounceRequest {
            compact: true,
            no_peer_id: true,
            tracker_id: None,
            numwant: request.numwant.map(|count| count >> 1),
            key: request.key.filter(|key| *key != 0),
            ip: request.ip.filter(|ip| ip.is_ipv4() && !ip.is_unspecified()),
            ..request
        };
        UdpRequest::Announce { connection, transaction, request, url_data }
    });
    let hashes = prop::collection::vec(any::<[u8; 20]>().prop_map(Infohash::from_bytes), 0..75);
    let scrape = (any::<u64>(), any::<u32>(), hashes).prop_map(|(connection, transaction, infohashes)| {
        UdpRequest::Scrape { connection, transaction, infohashes }
    });
    prop_oneof![any::<u32>().prop_map(|transaction| UdpRequest::Connect { transaction }), announce, scrape]
}

fn scraped() -> impl Strategy<Value = ScrapeEntry> {
    any::<(u32, u32, u32)>().prop_map(|(complete, downloaded, incomplete)| ScrapeEntry {
        complete,
        downloaded,
        incomplete,
    })
}

fn udp_response(v6: bool) -> impl Strategy<Value = UdpResponse> {
    let peers = prop::collection::vec(address(), 0..20);
    let announce = (any::<[u32; 4]>(), peers).prop_map(move |(numbers, mut peers)| {
        let [transaction, interval, leechers, seeders] = numbers;
        peers.retain(|address| address.is_ipv6() == v6);
        UdpResponse::Announce { transaction, interval, leechers, seeders, peers }
    });
    let scrape = (any::<u32>(), prop::collection::vec(scraped(), 0..75))
        .prop_map(|(transaction, torrents)| UdpResponse::Scrape { transaction, torrents });
    prop_oneof![
        any::<(u32, u64)>()
            .prop_map(|(transaction, connection)| UdpResponse::Connect { transaction, connection }),
        (any::<u32>(), ".{0,200}")
            .prop_map(|(transaction, message)| UdpResponse::Error { transaction, message }),
        announce,
        scrape
    ]
}

#[test]
fn connect_request_matches_the_specification() {
    let datagram = UdpRequest::Connect { transaction: 0x0102_0304 }.encode();
    assert_eq!(datagram, b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00\x01\x02\x03\x04");
}

#[test]
fn wrong_magic_is_refused() {
    let mut datagram = UdpRequest::Connect { transaction: 7 }.encode();
    datagram[0] = 1;
    assert_eq!(UdpRequest::decode(&datagram), Err(DatagramError::WrongProtocol));
    datagram[11] = 9;
    assert_eq!(UdpRequest::decode(&datagram), Err(DatagramError::UnknownAction { action: 9 }));
}

#[test]
fn partial_last_entry_is_ignored() {
    let peers = vec!["1.2.3.4:5".parse().unwrap()];
    let whole = UdpResponse::Announce { transaction: 1, interval: 2, leechers: 3, seeders: 4, peers };
    let mut datagram = whole.encode(AddressFamily::V4);
    assert_eq!(datagram.len(), 26);
    datagram.extend_from_slice(&[9; 5]);
    assert_eq!(UdpResponse::decode(&datagram, AddressFamily::V4), Ok(whole));
}

proptest! {
    #[test]
    fn requests_round_trip(request in udp_request()) {
        prop_assert_eq!(UdpRequest::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn responses_round_trip(
        (family, response) in prop_oneof![
            udp_response(false).prop_map(|response| (AddressFamily::V4, response)),
            udp_response(true).prop_map(|response| (AddressFamily::V6, response)),
        ],
    ) {
        prop_assert_eq!(UdpResponse::decode(&response.encode(family), family), Ok(response));
    }

    #[test]
    fn truncated_requests_are_refused(request in udp_request(), cut in 0..16usize) {
        let datagram = request.encode();
        prop_assert!(UdpRequest::decode(&datagram[..cut]).is_err());
    }

    #[test]
    fn no_datagram_panics_a_decoder(action in 0u8..5, bytes: Vec<u8>) {
        for family in [AddressFamily::V4, AddressFamily::V6] {
            let _ = UdpResponse::decode(&bytes, family);
            let _ = UdpResponse::decode(&[&[0, 0, 0, action], bytes.as_slice()].concat(), family);
        }
        let _ = UdpRequest::decode(&bytes);
        let _ = UdpRequest::decode(&[&[0; 11], [action].as_slice(), &bytes].concat());
    }
}
