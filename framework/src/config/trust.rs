//! Whose trace context is followed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The callers whose trace context is followed: `"all"`, `"none"`, or a list of networks such as
/// `["10.0.0.0/8", "fd00::/8", "192.0.2.7"]`.
///
/// A caller is who holds the other end of the connection: behind a gateway that is the gateway. What a request says of
/// where it comes from (`Forwarded`, `X-Forwarded-For`) does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Everybody's.
    #[default]
    All,
    /// Nobody's.
    None,
    /// That of callers with an address in one of these.
    Networks(Vec<Network>),
}

/// A block of IP addresses, e.g. `10.0.0.0/8`; an address alone is a block of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many bits all addresses in it begin with.
    length: u32,
}

impl Trust {
    /// Whether a caller at this address is trusted; `None` is a caller without one.
    #[must_use]
    pub fn includes(&self, peer: Option<IpAddr>) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Networks(networks) => {
                peer.is_some_and(|peer| networks.iter().any(|network| network.contains(peer)))
            }
        }
    }
}

impl Network {
    /// Whether the address lies in it. An IPv4 address that is written as an IPv6 one (`::ffff:10.0.0.1`) is the IPv4
    /// address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.length).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.length).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let none = |why: &str| format!("`{text}` {why}: use e.g. 10.0.0.0/8, fd00::/8 or 192.0.2.7");
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| none("is no network"))?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = match length.map(str::parse::<u32>) {
            None => bits,
            Some(Ok(length)) if length <= bits => length,
            Some(_) => return Err(none(&format!("has a length that is not 0 to {bits}"))),
        };
        // `::ffff:10.0.0.0/104` is 10.0.0.0/8.
        let network = match address.to_canonical() {
            IpAddr::V4(v4) if bits == 128 => {
                let length = length.checked_sub(96).ok_or_else(|| none("mixes IPv4 and IPv6"))?;
                Self { address: IpAddr::V4(v4), length }
            }
            address => Self { address, length },
        };
        let first = network.first();
        if first != network.address {
            return Err(format!("`{text}` begins in the middle: did you mean {first}/{}?", network.length));
        }
        Ok(network)
    }
}

impl Network {
    fn first(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - self.length).unwrap_or(0);
                IpAddr::V4((own.to_bits() & mask).into())
            }
            IpAddr::V6(own) => {
                let mask = u128::MAX.checked_shl(128 - self.length).unwrap_or(0);
                IpAddr::V6((own.to_bits() & mask).into())
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl Serialize for Trust {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.serialize_str("all"),
            Self::None => serializer.serialize_str("none"),
            Self::Networks(networks) => serializer.collect_seq(networks.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Trust {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TrustVisitor)
    }
}

struct TrustVisitor;

impl<'de> Visitor<'de> for TrustVisitor {
    type Value = Trust;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"all\", \"none\" or a list of networks")
    }

    /// A variable has no other way to say a list than with commas.
    fn visit_str<E: Error>(self, text: &str) -> Result<Trust, E> {
        match text.trim() {
            "all" => Ok(Trust::All),
            "none" => Ok(Trust::None),
            "" => Err(E::custom("it is empty: use \"all\", \"none\" or a list of networks")),
            word if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Err(E::custom(format!("`{word}` is neither \"all\" nor \"none\" nor a list of networks")))
            }
            list => {
                let networks = list.split(',').map(|network| network.trim().parse().map_err(E::custom));
                networks.collect::<Result<_, E>>().map(Trust::Networks)
            }
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Trust, A::Error> {
        let mut networks = Vec::new();
        while let Some(network) = list.next_element::<String>()? {
            networks.push(network.parse().map_err(A::Error::custom)?);
        }
        Ok(Trust::Networks(networks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..], &["11.0.0.0", "::1"][..]),
            ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("0.0.0.0/0", &["1.2.3.4", "255.255.255.255"], &["::1", "2001:db8::1"]),
            ("::/0", &["::1", "2001:db8::1"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("fd00::/8", &["fd00::1", "fdff::1"], &["fc00::1", "fe00::1"]),
            ("::ffff:10.0.0.0/104", &["10.1.2.3"], &["11.0.0.0"]),
            ("2001:db8::/33", &["2001:db8:7fff::"], &["2001:db8:8000::"]),
        ] {
            let network = network(text);
            for address in inside {
                assert!(network.contains(address.parse().unwrap()), "{address} in {text}");
            }
            for address in outside {
                assert!(!network.contains(address.parse().unwrap()), "{address} in {text}");
            }
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_would_be_one() {
        for (text, part) in [
            ("10.0.0.0/33", "0 to 32"),
            ("::/129", "0 to 128"),
            ("10.0.0.0/-1", "0 to 32"),
            ("10.0.0/8", "is no network"),
            ("gateway", "is no network"),
            ("", "is no network"),
            ("::ffff:10.0.0.0/8", "mixes"),
            ("10.1.2.3/8", "did you mean 10.0.0.0/8?"),
        ] {
            let message = text.parse::<Network>().unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }

    #[test]
    fn a_caller_without_an_address_is_trusted_by_all_alone() {
        assert!(Trust::All.includes(None) && !Trust::None.includes(None));
        assert!(!Trust::Networks(vec![network("0.0.0.0/0"), network("::/0")]).includes(None));
        assert!(!Trust::None.includes(Some("127.0.0.1".parse().unwrap())));
    }
}
