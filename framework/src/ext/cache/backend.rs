use std::time::Duration;

use super::entry::Nonce;
use super::memory::Memory;
use super::redis::InRedis;
use super::settings::CacheSettings;
use crate::data::{Memcached, MemcachedError, RedisError};
use crate::redact::Secret;
use crate::telemetry::Telemetry;

/// Where values are kept.
#[derive(Clone)]
pub(super) enum Backend {
    Memory(Memory),
    Redis(InRedis),
    Memcached(Memcached),
}

/// Why a backend did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub(super) enum BackendError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Memcached(#[from] MemcachedError),
}

impl Backend {
    /// The backend of a URL that the settings' check has let pass. Nothing is connected yet.
    pub(super) fn new(
        url: &Secret<String>,
        settings: &CacheSettings,
        telemetry: &Telemetry,
    ) -> Result<Self, BackendError> {
        let scheme = url.expose().split(':').next().unwrap_or_default();
        Ok(match scheme {
            "memory" => Self::Memory(Memory::new(settings.max_memory_bytes)),
            "memcache" => Self::Memcached(Memcached::new(url, telemetry, settings.timeout)?),
            _ => Self::Redis(InRedis::new(url, telemetry, settings.timeout)?),
        })
    }

    /// Whether other processes see the same values.
    pub(super) const fn is_shared(&self) -> bool {
        !matches!(self, Self::Memory(_))
    }

    /// In a few words, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Memory(_) => "this process".to_owned(),
            Self::Redis(redis) => format!("Redis at {}", redis.server()),
            Self::Memcached(memcached) => format!("Memcached at {}", memcached.server()),
        }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(match self {
            Self::Memory(memory) => memory.get(key).await,
            Self::Redis(redis) => redis.get(key).await?,
            Self::Memcached(memcached) => memcached.get(key).await?,
        })
    }

    pub(super) async fn put(&self, key: &str, bytes: &[u8], ttl: Duration) -> Result<(), BackendError> {
        match self {
            Self::Memory(memory) => memory.put(key, bytes, ttl).await,
            Self::Redis(redis) => redis.put(key, bytes, ttl).await?,
            Self::Memcached(memcached) => memcached.set(key, bytes, ttl).await?,
        }
        Ok(())
    }

    /// Stores what is stored unless there is something; tells whether it did.
    pub(super) async fn put_new(&self, key: &str, bytes: &[u8], ttl: Duration) -> Result<bool, BackendError> {
        Ok(match self {
            Self::Memory(memory) => memory.put_new(key, bytes, ttl).await,
            Self::Redis(redis) => redis.put_new(key, bytes, ttl).await?,
            Self::Memcached(memcached) => memcached.add(key, bytes, ttl).await?,
        })
    }

    /// Stores in the place of the entry with this nonce; tells whether that was there.
    pub(super) async fn replace(
        &self,
        key: &str,
        nonce: &Nonce,
        bytes: &[u8],
        ttl: Duration,
    ) -> Result<bool, BackendError> {
        Ok(match self {
            Self::Memory(memory) => memory.replace(key, nonce, bytes, ttl).await,
            Self::Redis(redis) => redis.replace(key, nonce, bytes, ttl).await?,
            Self::Memcached(memcached) => match memcached.gets(key).await? {
                Some((found, number)) if found.get(1..=nonce.len()) == Some(&nonce[..]) => {
                    memcached.cas(key, bytes, ttl, number).await?
                }
                _ => false,
            },
        })
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), BackendError> {
        match self {
            Self::Memory(memory) => memory.delete(key).await,
            Self::Redis(redis) => redis.delete(key).await?,
            Self::Memcached(memcached) => memcached.delete(key).await.map(drop)?,
        }
        Ok(())
    }

    pub(super) async fn ping(&self) -> Result<(), BackendError> {
        match self {
            Self::Memory(_) => {}
            Self::Redis(redis) => redis.ping().await?,
            Self::Memcached(memcached) => memcached.version().await.map(drop)?,
        }
        Ok(())
    }
}
