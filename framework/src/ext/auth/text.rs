//! Random texts, and bytes as text.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// 64 digits that nobody guesses: 244 bits of the system's generator.
pub(in crate::ext) fn random() -> String {
    let mut text = Uuid::new_v4().simple().to_string();
    text.push_str(&Uuid::new_v4().simple().to_string());
    text
}

/// What is stored of a token. It is random already, so that nothing slow is needed to keep it from being guessed.
pub(in crate::ext) fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
