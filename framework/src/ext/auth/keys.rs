//! The keys of the access tokens: each with the one algorithm that it is for.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::{Digest as _, Sha256};

use super::text::hex;

/// What stands before the seed of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What a key may be made with.
const HOW: &str = "e.g. from `openssl rand -hex 32`";

/// One key, for one algorithm and no other.
pub(super) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

/// The key that signs, and those that are accepted, which it is among.
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Reads a list of keys. The error follows the setting's name in a sentence, and shows nothing of a key.
    pub(super) fn parse(text: &str, production: bool) -> Result<Self, String> {
        let mut keys: Vec<Key> = Vec::new();
        for (number, text) in text.split(',').map(str::trim).enumerate() {
            let key = Key::parse(text, production)
                .map_err(|reason| format!("can not be used: key {} {reason}", number + 1))?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(format!("can not be used: key {} is there twice", number + 1));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// One key for HS256.
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self(vec![Key::hs256(secret)])
    }

    /// The one that signs.
    pub(super) fn signing(&self) -> Option<&Key> {
        self.0.first()
    }

    /// The one of an id.
    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl Key {
    fn parse(text: &str, production: bool) -> Result<Self, String> {
        if let Some(seed) = text.strip_prefix("ed25519:") {
            let seed = unhex(seed).ok_or_else(|| {
                format!("is no Ed25519 key: after `ed25519:` come 64 hexadecimal digits, {HOW}")
            })?;
            return Self::ed25519(&seed).ok_or_else(|| "is no Ed25519 key".to_owned());
        }
        if text.is_empty() {
            return Err(format!("is empty: set it to 32 random bytes or more, {HOW}"));
        }
        if text.len() < 32 {
            return Err(format!("is shorter than 32 bytes: make one {HOW}"));
        }
        if text.bytes().collect::<BTreeSet<_>>().len() < 10 {
            return Err(format!("repeats few characters: make one {HOW}"));
        }
        if production && text.starts_with("dev-") {
            return Err(format!("is a development default: make one {HOW}"));
        }
        Ok(Self::hs256(text.as_bytes()))
    }

    fn hs256(secret: &[u8]) -> Self {
        Self {
            id: hex(&derive(secret, "spanbox key id")[..8]),
            algorithm: Algorithm::HS256,
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }

    fn ed25519(seed: &[u8; 32]) -> Option<Self> {
        let encoding = EncodingKey::from_ed_der(&[&PKCS8[..], &seed[..]].concat());
        let public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).ok()?;
        let decoding = DecodingKey::from_jwk(&public).ok()?;
        let id = hex(&Sha256::digest(decoding.try_get_as_bytes().ok()?)[..8]);
        Some(Self { id, algorithm: Algorithm::EdDSA, encoding, decoding })
    }
}

/// A key for one purpose, out of a secret that has several.
pub(in crate::ext) fn derive(secret: &[u8], purpose: &str) -> [u8; 32] {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return [0; 32] };
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = "ed25519:9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn the_first_key_signs_and_each_has_its_one_algorithm() {
        let keys = Keys::parse(&format!("{SEED}, {SECRET}"), true).unwrap();
        let algorithms: Vec<_> = keys.0.iter().map(|key| key.algorithm).collect();
        assert_eq!(algorithms, [Algorithm::EdDSA, Algorithm::HS256]);
        assert_eq!(keys.signing().unwrap().id, keys.0[0].id);
        assert!(keys.find(&keys.0[1].id).is_some() && keys.find("").is_none());
        assert_ne!(keys.0[0].id, keys.0[1].id);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let dev = format!("dev-{SECRET}");
        let twice = format!("{SECRET},{SECRET}");
        for (text, production, part) in [
            ("", false, "is empty"),
            ("hunter2", false, "shorter than 32"),
            ("hunter2hunter2hunter2hunter2hunter2hunter2", false, "repeats few"),
            ("ed25519:hunter2", false, "64 hexadecimal"),
            (&format!("ed25519:{}", "g".repeat(64)), false, "64 hexadecimal"),
            (&dev, true, "development default"),
            (&twice, false, "key 2 is there twice"),
        ] {
            let error = Keys::parse(text, production).err().unwrap();
            assert!(error.contains(part) && !error.contains("hunter2"), "{text}: {error}");
        }
        assert!(Keys::parse(&dev, false).is_ok());
    }
}
