use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache;
use moka::ops::compute::{CompResult, Op};

use super::entry::{NONCE, Nonce};

/// What an entry takes besides its key and its bytes, about.
const OVERHEAD: usize = 128;

/// The backend within this process: moka, bounded by bytes, those go first that are used least.
#[derive(Clone)]
pub(super) struct Memory(Cache<String, Kept>);

#[derive(Clone)]
struct Kept {
    bytes: Arc<[u8]>,
    ttl: Duration,
}

struct ByTtl;

impl Expiry<String, Kept> for ByTtl {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        kept: &Kept,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}

impl Memory {
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigh = |key: &String, kept: &Kept| {
            u32::try_from(key.len() + kept.bytes.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(max_bytes).weigher(weigh).expire_after(ByTtl).build())
    }

    pub(super) async fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.get(key).await.map(|kept| kept.bytes.to_vec())
    }

    pub(super) async fn put(&self, key: &str, bytes: &[u8], ttl: Duration) {
        self.0.insert(key.to_owned(), Kept { bytes: bytes.into(), ttl }).await;
    }

    pub(super) async fn put_new(&self, key: &str, bytes: &[u8], ttl: Duration) -> bool {
        let entry = self.0.entry(key.to_owned()).or_insert(Kept { bytes: bytes.into(), ttl }).await;
        entry.is_fresh()
    }

    pub(super) async fn replace(&self, key: &str, nonce: &Nonce, bytes: &[u8], ttl: Duration) -> bool {
        let swap = |entry: Option<moka::Entry<String, Kept>>| {
            let same = entry.is_some_and(|entry| entry.value().bytes.get(1..=NONCE) == Some(&nonce[..]));
            let op = if same { Op::Put(Kept { bytes: bytes.into(), ttl }) } else { Op::Nop };
            std::future::ready(op)
        };
        let done = self.0.entry(key.to_owned()).and_compute_with(swap).await;
        matches!(done, CompResult::ReplacedWith(_))
    }

    pub(super) async fn delete(&self, key: &str) {
        self.0.invalidate(key).await;
    }
}
