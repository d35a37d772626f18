use crate::bencode::{BencodeError, Tree, parse_lenient};

/// The supported fields of the extension protocol's handshake (BEP 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtendedHandshake {
    /// The maximum number of outstanding requests that the client accepts; it may drop or reject more (`reqq`).
    pub requests: Option<usize>,
}

impl ExtendedHandshake {
    /// The extension id of the handshake.
    pub const ID: u8 = 0;

    /// Encodes the handshake. It announces no extensions, because none is supported.
    pub fn encode(&self) -> Vec<u8> {
        let text = |text: &str| Tree::Bytes(text.into());
        let version = concat!("Peerdex ", env!("CARGO_PKG_VERSION"));
        let requests = self.requests.and_then(|requests| i64::try_from(requests).ok());
        let entries = [("m", Tree::dictionary([])), ("v", text(version))];
        let requests = requests.map(|requests| ("reqq", Tree::Integer(requests)));
        Tree::dictionary(entries.into_iter().chain(requests)).encode()
    }

    /// Decodes a handshake. All other fields are ignored, and so is a `reqq` of 0.
    pub fn decode(document: &[u8]) -> Result<Self, BencodeError> {
        let requests = parse_lenient(document)?.get("reqq").and_then(|requests| requests.as_unsigned());
        let requests = requests.filter(|requests| *requests > 0);
        Ok(Self { requests: requests.map(|requests| usize::try_from(requests).unwrap_or(usize::MAX)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_handshake_round_trips() {
        let ours = ExtendedHandshake { requests: Some(2000) };
        assert_eq!(ours.encode(), b"d1:mde4:reqqi2000e1:v13:Peerdex 0.2.0e");
        assert_eq!(ExtendedHandshake::decode(&ours.encode()), Ok(ours));
        assert_eq!(
            ExtendedHandshake::decode(&ExtendedHandshake::default().encode()),
            Ok(ExtendedHandshake::default())
        );
    }

    #[test]
    fn handshakes_of_real_clients_are_decoded() {
        let transmission =
            b"d1:ei0e1:md6:ut_pexi1ee1:pi51413e4:reqqi512e11:upload_onlyi1e1:v18:Transmission 3.00 e";
        assert_eq!(ExtendedHandshake::decode(transmission).unwrap().requests, Some(512));
        assert_eq!(ExtendedHandshake::decode(b"d1:v5:aria21:md6:ut_pexi1eee").unwrap().requests, None);
    }

    #[test]
    fn deeply_nested_document_is_refused() {
        for bomb in ["d1:m".repeat(100_000), "l".repeat(100_000), "d4:reqq4294967295:x".into()] {
            assert!(ExtendedHandshake::decode(bomb.as_bytes()).is_err(), "{bomb:.20}");
        }
        let crowded: Vec<String> = (0..10_000).map(|number| format!("5:{number:05}i1e")).collect();
        let crowded = crowded.concat();
        let decoded = ExtendedHandshake::decode(format!("d1:md{crowded}e4:reqqi9ee").as_bytes());
        assert_eq!(decoded, Ok(ExtendedHandshake { requests: Some(9) }));
    }

    #[test]
    fn absurd_request_counts_are_ignored() {
        for nonsense in ["i0e", "i-5e", "3:512", "le", "i99999999999999999999e"] {
            let document = format!("d4:reqq{nonsense}e");
            let decoded = ExtendedHandshake::decode(document.as_bytes());
            assert!(
                decoded.is_err() || decoded == Ok(ExtendedHandshake::default()),
                "{nonsense}: {decoded:?}"
            );
        }
        assert!(ExtendedHandshake::decode(b"d4:reqqi5e").is_err() && ExtendedHandshake::decode(b"").is_err());
        let many = ExtendedHandshake::decode(b"d4:reqqi9000000000000000000ee").unwrap();
        assert_eq!(many.requests, Some(9_000_000_000_000_000_000));
    }
}
