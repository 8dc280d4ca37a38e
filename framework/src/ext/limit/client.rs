//! Who is counted.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;

use actix_web::HttpRequest;

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

/// Names clients by numbers, in this process.
#[derive(Default)]
pub(super) struct Numbers([RandomState; 2]);

impl Numbers {
    pub(super) fn of(&self, client: &Client) -> u128 {
        match client {
            Client::Address(network) => *network,
            Client::Principal(id) => {
                let [high, low] = self.0.each_ref().map(|state| u128::from(state.hash_one(id)));
                (1 << 127) | (high << 64) | low
            }
        }
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
    fn each_principal_has_a_number_of_its_own() {
        let numbers = Numbers::default();
        let (alice, bob) = (Client::Principal("alice".to_owned()), Client::Principal("bob".to_owned()));
        assert_ne!(numbers.of(&alice), numbers.of(&bob));
        assert_eq!(numbers.of(&alice), numbers.of(&alice));
    }
}
