//! What stands under a key: a value, or the lease of somebody who is loading it.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

/// Changes with what is written below, so that no release reads what another one wrote in another way.
pub(super) const FORMAT: &str = "1";

const LEASE: u8 = b'L';
const VALUE: u8 = b'V';
const BODY: usize = 1 + NONCE + 8;
/// Bytes of a [`Nonce`], which stands behind the first byte.
pub(super) const NONCE: usize = 16;

/// Tells each entry from every other one, so that it can be replaced if it is still the same.
pub(super) type Nonce = [u8; NONCE];

/// An entry as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Lease,
    Value { nonce: Nonce, fresh: bool, body: &'a [u8] },
}

/// The entry, or `None` of what is none.
pub(super) fn read(bytes: &[u8]) -> Option<Entry<'_>> {
    let nonce: Nonce = bytes.get(1..=NONCE)?.try_into().ok()?;
    match bytes[0] {
        LEASE if bytes.len() == 1 + NONCE => Some(Entry::Lease),
        VALUE => {
            let fresh_until = u64::from_be_bytes(bytes.get(1 + NONCE..BODY)?.try_into().ok()?);
            Some(Entry::Value { nonce, fresh: now() < fresh_until, body: &bytes[BODY..] })
        }
        _ => None,
    }
}

pub(super) fn lease() -> (Nonce, Vec<u8>) {
    let nonce = *Uuid::new_v4().as_bytes();
    let mut bytes = Vec::with_capacity(1 + NONCE);
    bytes.push(LEASE);
    bytes.extend_from_slice(&nonce);
    (nonce, bytes)
}

/// A value that is fresh for almost `ttl`: up to a tenth less, so that what was stored together does not end together.
pub(super) fn value(body: &[u8], ttl: Duration) -> Vec<u8> {
    let nonce = *Uuid::new_v4().as_bytes();
    let tenth = ttl / 10;
    let fresh = ttl - tenth.mul_f64(f64::from(nonce[0]) / 255.0);
    let until = now().saturating_add(u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX));
    let mut bytes = Vec::with_capacity(BODY + body.len());
    bytes.push(VALUE);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&until.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Milliseconds since 1970, by the machine's clock: that of another one may differ by as much as it does.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_written_and_is_fresh_for_its_time() {
        let bytes = value(b"42", Duration::from_secs(60));
        assert!(matches!(read(&bytes), Some(Entry::Value { fresh: true, body: b"42", .. })));
        assert!(matches!(
            read(&value(b"", Duration::ZERO)),
            Some(Entry::Value { fresh: false, body: b"", .. })
        ));
        assert_eq!(read(&lease().1), Some(Entry::Lease));
    }

    #[test]
    fn values_that_are_stored_together_end_apart_and_none_lives_longer_than_it_may() {
        let ttl = Duration::from_secs(1000);
        let before = now();
        let ends: Vec<u64> = (0..200)
            .map(|_| u64::from_be_bytes(value(b"", ttl)[1 + NONCE..BODY].try_into().unwrap()))
            .collect();
        let after = now();
        let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
        assert!(last - first > 50_000, "they end within {} ms", last - first);
        assert!(*first >= before + 900_000 && *last <= after + 1_000_000);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
