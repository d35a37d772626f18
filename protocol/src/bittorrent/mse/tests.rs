use proptest::prelude::*;

use super::keys::SharedSecret;
use super::{
    Established, ExchangeSecret, Initiator, KEY_LEN, MAX_PADDING, MseError, Responder, ResponderNext,
    SECRET_LEN, TorrentKey, VERIFICATION,
};
use crate::infohash::Infohash;

fn infohash() -> Infohash {
    Infohash::from_bytes([0x5a; 20])
}

/// Returns a secret with a padding of this length.
fn secret(digit: u8, padding: usize) -> ExchangeSecret {
    let mut random = [digit; SECRET_LEN];
    random[20..22].copy_from_slice(&u16::try_from(padding).unwrap().to_be_bytes());
    ExchangeSecret::new(&random)
}

/// A scripted initiator that has exchanged keys with a responder.
struct ManualInitiator {
    responder: Responder,
    shared: SharedSecret,
}

impl ManualInitiator {
    fn begin() -> Self {
        let (own, mut responder) = (secret(1, 0), Responder::new(secret(2, 0)));
        let answer = responder.receive(&own.public_key_and_padding()).unwrap();
        let shared =
            SharedSecret::new(own.shared_secret(answer.send.first_chunk::<KEY_LEN>().unwrap()).unwrap());
        Self { responder, shared }
    }

    /// Sends everything up to the offer, which begins with these bytes, encrypted.
    fn offer(mut self, offer: &[u8]) -> Result<ResponderNext, MseError> {
        let mut encrypted = offer.to_vec();
        self.shared.initiator_ciphers(infohash()).outgoing.apply(&mut encrypted);
        let masked = self.shared.mask(*TorrentKey::of(infohash()).as_bytes());
        let named = self.responder.receive(&[&self.shared.synchronisation()[..], &masked].concat()).unwrap();
        assert!(matches!(named.next, ResponderNext::Identify(key) if key == TorrentKey::of(infohash())));
        self.responder.identify(infohash()).unwrap();
        Ok(self.responder.receive(&encrypted)?.next)
    }
}

fn offer(methods: u32, padding: u16) -> Vec<u8> {
    [&VERIFICATION[..], &methods.to_be_bytes(), &padding.to_be_bytes()].concat()
}

/// Transfers bytes between both sides in portions until both are done.
fn exchange(
    (mut initiator, opening): (Initiator, Vec<u8>),
    mut responder: Responder,
    portion: usize,
) -> Result<(Established, Established), MseError> {
    let (mut to_responder, mut to_initiator) = (opening, Vec::new());
    let (mut at_initiator, mut at_responder) = (None, None);
    while at_initiator.is_none() || at_responder.is_none() {
        assert!(!to_responder.is_empty() || !to_initiator.is_empty(), "the exchange is stuck");
        let count = portion.min(to_responder.len());
        let part: Vec<u8> = to_responder.drain(..count).collect();
        if at_responder.is_none() {
            let mut answer = responder.receive(&part)?;
            to_initiator.extend(answer.send);
            if let ResponderNext::Identify(key) = answer.next {
                assert_eq!(key, TorrentKey::of(infohash()));
                answer = responder.identify(infohash())?;
                to_initiator.extend(answer.send);
            }
            if let ResponderNext::Done(established) = answer.next {
                at_responder = Some(established);
            }
        }
        let count = portion.min(to_initiator.len());
        let part: Vec<u8> = to_initiator.drain(..count).collect();
        if at_initiator.is_none() {
            let progress = initiator.receive(&part)?;
            to_responder.extend(progress.send);
            at_initiator = progress.done;
        }
    }
    Ok((at_initiator.unwrap(), at_responder.unwrap()))
}

#[test]
fn weak_public_keys_are_refused() {
    let prime = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A43\
                 1B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563";
    let bytes = |text: &str| -> [u8; KEY_LEN] {
        let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
        digits.collect::<Vec<u8>>().try_into().unwrap()
    };
    let (mut one, mut last) = ([0; KEY_LEN], bytes(prime));
    one[KEY_LEN - 1] = 1;
    last[KEY_LEN - 1] -= 1;
    for key in [[0; KEY_LEN], one, last, bytes(prime), [0xff; KEY_LEN]] {
        let mut responder = Responder::new(secret(2, 0));
        assert_eq!(responder.receive(&key).unwrap_err(), MseError::WeakKey);
        let (mut initiator, _) = Initiator::begin(secret(1, 0), infohash(), b"");
        assert_eq!(initiator.receive(&key).unwrap_err(), MseError::WeakKey);
    }
}

#[test]
fn overlong_padding_ends_the_exchange() {
    let mut manual = ManualInitiator::begin();
    let longest = [0x77; MAX_PADDING + 19];
    assert!(matches!(manual.responder.receive(&longest).unwrap().next, ResponderNext::Receive));
    assert_eq!(manual.responder.receive(&[0x77]).unwrap_err(), MseError::NoSynchronisation);
    let (mut initiator, _) = Initiator::begin(secret(1, 0), infohash(), b"");
    initiator.receive(&secret(2, 0).public_key_and_padding()).unwrap();
    assert!(initiator.receive(&[0x77; MAX_PADDING + 7]).unwrap().done.is_none());
    assert_eq!(initiator.receive(&[0x77]).unwrap_err(), MseError::NoSynchronisation);
}

#[test]
fn wrong_offer_ends_the_exchange() {
    let mut unverified = offer(3, 0);
    unverified[7] = 1;
    assert_eq!(ManualInitiator::begin().offer(&unverified).unwrap_err(), MseError::Unverified);
    assert_eq!(
        ManualInitiator::begin().offer(&offer(4, 0)).unwrap_err(),
        MseError::NoCommonMethod { offered: 4 }
    );
    let long = ManualInitiator::begin().offer(&offer(3, 513)).unwrap_err();
    assert_eq!(long, MseError::PaddingTooLong { length: 513 });
    assert!(matches!(ManualInitiator::begin().offer(&offer(3, 512)), Ok(ResponderNext::Receive)));
}

#[test]
fn plaintext_is_selected_if_offered_else_rc4() {
    for (methods, is_encrypted) in [(1, false), (2, true), (3, false), (0xff02, true)] {
        let whole = [offer(methods, 0), vec![0, 0]].concat();
        let Ok(ResponderNext::Done(established)) = ManualInitiator::begin().offer(&whole) else {
            panic!("{methods}")
        };
        assert_eq!(established.ciphers.is_some(), is_encrypted);
    }
}

#[test]
fn selection_not_offered_ends_the_exchange() {
    for (selection, expected) in [
        ([0, 0, 0, 0, 0, 0], MseError::WrongMethod { selected: 0 }),
        ([0, 0, 0, 3, 0, 0], MseError::WrongMethod { selected: 3 }),
        ([0, 0, 0, 1, 2, 1], MseError::PaddingTooLong { length: 513 }),
    ] {
        let (mut initiator, opening) = Initiator::begin(secret(1, 0), infohash(), b"");
        let own = secret(2, 0);
        let shared = SharedSecret::new(own.shared_secret(opening.first_chunk().unwrap()).unwrap());
        let mut encrypted = [&VERIFICATION[..], &selection].concat();
        shared.responder_ciphers(infohash()).outgoing.apply(&mut encrypted);
        let result = initiator.receive(&[own.public_key_and_padding(), encrypted].concat());
        assert_eq!(result.unwrap_err(), expected);
    }
}

proptest! {
    #[test]
    fn both_sides_agree_on_one_connection(
        digits in (1_u8.., 1_u8..),
        paddings in (0..=MAX_PADDING, 0..=MAX_PADDING),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        portion in 1_usize..700,
    ) {
        let begun = Initiator::begin(secret(digits.0, paddings.0), infohash(), &payload);
        let (at_initiator, at_responder) =
            exchange(begun, Responder::new(secret(digits.1, paddings.1)), portion).unwrap();
        prop_assert!(at_initiator.ciphers.is_none() && at_responder.ciphers.is_none());
        prop_assert_eq!(at_responder.received, payload);
        prop_assert!(at_initiator.received.is_empty());
    }

    #[test]
    fn no_bytes_panic_either_side(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        portion in 1_usize..700,
    ) {
        let mut responder = Responder::new(secret(2, 7));
        let (mut initiator, _) = Initiator::begin(secret(1, 7), infohash(), b"payload");
        for part in bytes.chunks(portion) {
            match responder.receive(part).map(|answer| answer.next) {
                Ok(ResponderNext::Receive) => {}
                Ok(next) => prop_assert!(false, "{next:?}"),
                Err(_) => break,
            }
        }
        for part in bytes.chunks(portion) {
            match initiator.receive(part) {
                Ok(progress) => prop_assert!(progress.done.is_none()),
                Err(_) => break,
            }
        }
    }
}
