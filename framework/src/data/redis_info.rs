/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisInfo {
    /// Its version, e.g. `7.0.15`.
    pub version: String,
    /// Changes whenever the server is started.
    pub run_id: String,
    /// What it does when its memory is full; with anything but `noeviction` it throws keys away.
    pub maxmemory_policy: String,
    /// Whether it keeps an append-only file, so that a restart forgets at most the last second.
    pub append_only: bool,
}
