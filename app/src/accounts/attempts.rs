//! Wrong passwords, counted by account and by address, and how long each has to wait.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use spanbox::data::{Conn, DbError};
use spanbox::ext::auth::Auth;
use spanbox::query;

use super::input::Email;
use super::settings::AccountSettings;
use super::user::now;
use crate::schema::sign_in_failures::{self, dsl};

/// The one who tries, by what is counted.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    account: String,
    address: Option<String>,
    account_failures: i64,
    address_failures: i64,
    shortest: Duration,
    longest: Duration,
}

impl Attempt {
    /// An account that is not there is counted as one that is.
    pub(super) fn new(auth: &Auth, settings: &AccountSettings, email: &Email, from: Option<IpAddr>) -> Self {
        let address = from.filter(|_| settings.address_failures > 0).map(network);
        Self {
            account: auth.pseudonym(&format!("account {}", email.expose())),
            address: address.map(|address| auth.pseudonym(&format!("address {address}"))),
            account_failures: settings.account_failures.into(),
            address_failures: settings.address_failures.into(),
            shortest: settings.lockout_min,
            longest: settings.lockout_max,
        }
    }

    fn keys(&self) -> impl Iterator<Item = (&String, i64)> {
        let address = self.address.iter().map(|address| (address, self.address_failures));
        std::iter::once((&self.account, self.account_failures)).chain(address)
    }

    /// For how long nobody listens, if that is so.
    pub(super) async fn wait(&self, conn: &mut Conn) -> Result<Option<Duration>, DbError> {
        let keys: Vec<_> = self.keys().map(|(key, _)| key.clone()).collect();
        let now = now();
        let until: Vec<Option<NaiveDateTime>> = query!(conn, c => dsl::sign_in_failures
            .filter(dsl::key.eq_any(keys))
            .filter(dsl::blocked_until.gt(now))
            .select(dsl::blocked_until)
            .load(c)
            .await)?;
        Ok(until.into_iter().flatten().max().and_then(|until| (until - now).to_std().ok()))
    }

    /// Counts a failure.
    pub(super) async fn failed(&self, conn: &mut Conn) -> Result<(), DbError> {
        let now = now();
        let forgotten = now - delta(self.longest);
        let old = dsl::sign_in_failures.filter(dsl::last_at.lt(forgotten));
        query!(&mut *conn, c => diesel::delete(old).execute(c).await)?;
        // In one order, so that no two wait for each other.
        let mut keys: Vec<_> = self.keys().collect();
        keys.sort();
        for (key, allowed) in keys {
            let first = (dsl::key.eq(key.clone()), dsl::failures.eq(1), dsl::last_at.eq(now));
            let failures: i64 = query!(&mut *conn, c => diesel::insert_into(dsl::sign_in_failures)
                .values(first.clone())
                .on_conflict(dsl::key)
                .do_update()
                .set((dsl::failures.eq(sign_in_failures::failures + 1), dsl::last_at.eq(now)))
                .returning(dsl::failures)
                .get_result(c)
                .await)?;
            if failures >= allowed {
                let until = now + delta(backoff(failures - allowed, self.shortest, self.longest));
                let row = dsl::sign_in_failures.find(key.clone());
                query!(&mut *conn, c => diesel::update(row)
                    .set(dsl::blocked_until.eq(until))
                    .execute(c)
                    .await)?;
            }
        }
        Ok(())
    }

    /// Forgets the failures of the account. Those of the address stay: who has one account must not guess at others.
    pub(super) async fn succeeded(&self, conn: &mut Conn) -> Result<(), DbError> {
        let row = dsl::sign_in_failures.find(self.account.clone());
        query!(conn, c => diesel::delete(row).execute(c).await).map(drop)
    }
}

/// What one client has of addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

/// The shortest wait, then twice as long each time.
fn backoff(more: i64, shortest: Duration, longest: Duration) -> Duration {
    let doublings = u32::try_from(more.clamp(0, 30)).unwrap_or(30);
    shortest.saturating_mul(1 << doublings).min(longest)
}

fn delta(span: Duration) -> TimeDelta {
    TimeDelta::from_std(span.min(Duration::from_secs(365 * 24 * 3600))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_longest() {
        let (second, longest) = (Duration::from_secs(1), Duration::from_secs(20));
        let waits: Vec<_> = (0..6).map(|more| backoff(more, second, longest).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 20]);
        assert_eq!(backoff(i64::MAX, second, longest), longest);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
