//! Who is counted.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use actix_web::HttpRequest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::settings::LimitPer;
use crate::web::{ClientAddress, Principal};

/// Who a request is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// An address of IPv4, or the first half of one of IPv6.
    Address(u128),
    Principal(String),
}

impl Client {
    /// `None` only for a request that did not come over a network.
    pub(super) fn of(request: &HttpRequest, per: LimitPer) -> Option<Self> {
        if per == LimitPer::Principal
            && let Some(principal) = Principal::of(request)
        {
            return Some(Self::Principal(principal.id().to_owned()));
        }
        ClientAddress::of(request).map(|client| Self::Address(network(client.address())))
    }
}

/// The network that one customer has, as a number.
fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => (1 << 64) | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => (2 << 64) | (v6.to_bits() >> 64),
    }
}

/// Names clients by numbers in memory, and by what tells nobody who they are in Redis.
pub(super) struct Names {
    states: [RandomState; 2],
    mac: Hmac<Sha256>,
}

impl Names {
    /// All processes of a service have the same secret.
    pub(super) fn new(secret: &[u8]) -> Self {
        // HMAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(secret);
        let mac = mac.unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        Self { states: [RandomState::new(), RandomState::new()], mac }
    }

    /// In this process.
    pub(super) fn number(&self, client: &Client) -> u128 {
        match client {
            Client::Address(network) => *network,
            Client::Principal(id) => {
                let [high, low] = self.states.each_ref().map(|state| u128::from(state.hash_one(id)));
                (1 << 127) | (high << 64) | low
            }
        }
    }

    /// For all processes: 128 bits in hexadecimal.
    pub(super) fn text(&self, client: &Client) -> String {
        let mut mac = self.mac.clone();
        match client {
            Client::Address(network) => mac.update(&network.to_be_bytes()),
            Client::Principal(id) => {
                mac.update(b"principal:");
                mac.update(id.as_bytes());
            }
        }
        let digest = mac.finalize().into_bytes();
        digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Client {
        Client::Address(network(address.parse().unwrap()))
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_an_address_of_ipv4_is_one() {
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_ne!(of("0.0.0.1"), of("::1"));
    }

    #[test]
    fn names_differ_and_tell_nothing() {
        let (names, others) = (Names::new(b"secret"), Names::new(b"other"));
        let (alice, bob) = (Client::Principal("alice".to_owned()), Client::Principal("bob".to_owned()));
        assert_ne!(names.number(&alice), names.number(&bob));
        assert_eq!(names.number(&alice), names.number(&alice));
        assert_ne!(names.text(&alice), names.text(&bob));
        assert_ne!(names.text(&alice), others.text(&alice), "nobody else can find out by trying");
        assert_eq!(names.text(&alice), Names::new(b"secret").text(&alice), "on every node");
        assert_eq!(names.text(&of("192.0.2.1")).len(), 32);
    }
}
