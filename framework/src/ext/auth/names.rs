//! Names for persons that tell nothing of them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use opentelemetry_semantic_conventions::attribute;
use sha2::Sha256;

use super::text::hex;

/// Hashes with a key. A name is the same on all nodes and after every start, as long as the key is, and tells nothing to
/// who does not have it.
pub(super) struct Names {
    key: [u8; 32],
    raw: bool,
}

impl Names {
    pub(super) const fn new(key: [u8; 32], raw: bool) -> Self {
        Self { key, raw }
    }

    /// 32 digits.
    pub(super) fn of(&self, text: &str) -> String {
        let hash = Hmac::<Sha256>::new_from_slice(&self.key).map(|mut mac| {
            mac.update(text.as_bytes());
            hex(&mac.finalize().into_bytes()[..16])
        });
        // HMAC takes a key of any length.
        hash.unwrap_or_default()
    }

    /// The attribute of a user's spans.
    pub(super) fn on_spans(&self, subject: &str) -> (&'static str, String) {
        if self.raw {
            (attribute::ENDUSER_ID, subject.to_owned())
        } else {
            (attribute::ENDUSER_PSEUDO_ID, self.of(subject))
        }
    }
}
