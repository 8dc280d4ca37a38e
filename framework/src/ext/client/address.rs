//! Which addresses are public, and names that lead to those alone.
//!
//! A name is looked up once for a connection, and the connection goes to what was looked up: a name that means a public
//! address when it is checked and a private one when it is used (DNS rebinding) gets nowhere.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::ClientError;
use crate::config::Network;

/// What is not public, by the special-purpose registries of IANA (RFC 6890 and what came after it). Addresses of IPv6
/// outside of `2000::/3` are not either.
const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    // The virtual machine's own host, of Azure.
    "168.63.129.16/32",
    // 169.254.169.254 and its like tell credentials of the machine.
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    // These hold an IPv4 address that nobody has looked at.
    "2001::/23",
    "2002::/16",
    "2001:db8::/32",
    "3fff::/20",
];

/// The part of IPv6 that is given out.
const GIVEN_OUT: &str = "2000::/3";

/// Finds the addresses of a name.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's.
pub(super) fn system() -> Lookup {
    Arc::new(|name| async move { tokio::net::lookup_host((name, 0)).await.map(Iterator::collect) }.boxed())
}

/// Where the URLs of users may lead.
pub(super) struct Public {
    not_public: Vec<Network>,
    given_out: Option<Network>,
    allowed: Vec<Network>,
}

impl Public {
    /// All public addresses, and those of these networks, which the settings have checked.
    pub(super) fn new(allowed: &[String]) -> Self {
        let networks = |texts: &mut dyn Iterator<Item = &str>| {
            texts.filter_map(|text| text.parse().ok()).collect::<Vec<Network>>()
        };
        Self {
            not_public: networks(&mut NOT_PUBLIC.iter().copied()),
            given_out: GIVEN_OUT.parse().ok(),
            allowed: networks(&mut allowed.iter().map(String::as_str)),
        }
    }

    pub(super) fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let within = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
        let given_out = match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(_) => self.given_out.is_some_and(|given_out| given_out.contains(address)),
        };
        within(&self.allowed) || (given_out && !within(&self.not_public))
    }

    /// Refuses a URL with an address in it that is not allowed; no name is looked up for that one.
    pub(super) fn check(&self, url: &Url) -> Result<(), ClientError> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allows(address) {
            return Ok(());
        }
        Err(ClientError::AddressRefused {
            host: address.to_string(),
            what: "an address that is not".to_owned(),
        })
    }
}

/// Looks names up and leaves out what is not public.
pub(super) struct PublicOnly {
    pub(super) public: Arc<Public>,
    pub(super) lookup: Lookup,
}

/// That all addresses of a name were left out.
#[derive(Debug, thiserror::Error)]
#[error("{host} has no public address")]
pub(super) struct NonePublic {
    host: String,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let (public, lookup) = (Arc::clone(&self.public), Arc::clone(&self.lookup));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let mut found = lookup(host.clone()).await?;
            let any = !found.is_empty();
            found.retain(|address| public.allows(address.ip()));
            if any && found.is_empty() {
                return Err(NonePublic { host }.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_refused_however_it_is_written() {
        let public = Public::new(&[]);
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "2001:db8::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "fec0::1",
        ] {
            assert!(!public.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "168.63.129.17", "2606:4700::1111"] {
            assert!(public.allows(address.parse().unwrap()), "{address}");
        }
        assert_eq!(public.not_public.len(), NOT_PUBLIC.len(), "one of them is no network");
        assert!(Public::new(&["10.1.0.0/16".to_owned()]).allows("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn an_address_in_a_url_is_seen_through_its_spelling() {
        let public = Public::new(&[]);
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest",
            "http://0/",
            "http://１２７.0.0.1/",
        ] {
            assert!(public.check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(public.check(&Url::parse("http://1.1.1.1/").unwrap()).is_ok());
    }
}
