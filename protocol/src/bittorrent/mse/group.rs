use std::fmt;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U192, U768, const_monty_params};

use super::{MAX_PADDING, MseError};

/// The length of a public key and of the shared secret, in bytes.
pub const KEY_LEN: usize = 96;

/// The number of random bytes of an [`ExchangeSecret`]: an exponent, the length of the padding, and the padding.
pub const SECRET_LEN: usize = EXPONENT_LEN + 2 + MAX_PADDING;

const EXPONENT_LEN: usize = 20;
const EXPONENT_BITS: u32 = 160;

const_monty_params!(
    Prime,
    U768,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    "The prime of the group, of 768 bits."
);

type Element = ConstMontyForm<Prime, { U768::LIMBS }>;

const GENERATOR: Element = Element::new(&U768::from_u8(2));

/// The private exponent of one side, and the padding that it sends after its public key.
pub struct ExchangeSecret {
    exponent: U192,
    padding: Vec<u8>,
}

impl ExchangeSecret {
    /// Creates a secret from random bytes.
    pub fn new(random: &[u8; SECRET_LEN]) -> Self {
        let (exponent, rest) = random.split_at(EXPONENT_LEN);
        let mut bytes = [0; U192::BYTES];
        for (target, byte) in bytes.iter_mut().skip(U192::BYTES - EXPONENT_LEN).zip(exponent) {
            *target = *byte;
        }
        let (length, padding) = rest.split_first_chunk().unwrap_or((&[0; 2], &[]));
        let length = usize::from(u16::from_be_bytes(*length)) % (MAX_PADDING + 1);
        Self {
            exponent: U192::from_be_slice(&bytes),
            padding: padding.iter().take(length).copied().collect(),
        }
    }

    /// Returns the public key and the padding, as sent.
    pub(super) fn public_key_and_padding(&self) -> Vec<u8> {
        let mut opening = bytes_of(&self.raise(&GENERATOR)).to_vec();
        opening.extend_from_slice(&self.padding);
        opening
    }

    /// Derives the secret shared with the owner of `public_key`.
    pub(super) fn shared_secret(&self, public_key: &[u8; KEY_LEN]) -> Result<[u8; KEY_LEN], MseError> {
        let key = U768::from_be_slice(public_key);
        let last = Prime::PARAMS.modulus().as_ref().wrapping_sub(&U768::ONE);
        // Refuse elements of small order, and numbers outside the group.
        if key <= U768::ONE || key >= last {
            return Err(MseError::WeakKey);
        }
        Ok(bytes_of(&self.raise(&Element::new(&key))))
    }

    fn raise(&self, base: &Element) -> U768 {
        base.pow_bounded_exp(&self.exponent, EXPONENT_BITS).retrieve()
    }
}

impl fmt::Debug for ExchangeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

fn bytes_of(number: &U768) -> [u8; KEY_LEN] {
    let mut bytes = [0; KEY_LEN];
    for (target, byte) in bytes.iter_mut().zip(number.to_be_bytes().as_ref()) {
        *target = *byte;
    }
    bytes
}
