use std::fmt;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{FORWARDED, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};

use super::Problem;
use crate::config::{ForwardedHeader, ServerSettings, Trust};

/// So many of the addresses that a request is said to come through are looked at.
const MOST_HOPS: usize = 32;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a request comes from: who holds the other end of the connection, or, if that is one of
/// `server.trusted_proxies`, whom it and the trusted proxies before it name. The first of them, from our side, that is
/// not trusted is the client: whatever stands before it in the header, the client may have written itself.
///
/// An address is personal: `Debug` hides it, and it is never recorded.
///
/// ```
/// use spanbox::web::ClientAddress;
///
/// async fn is_local(client: ClientAddress) -> String {
///     client.address().is_loopback().to_string()
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Where a request comes from; `None` only if it did not come over a network.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        let peer = request.peer_addr()?.ip();
        let address = match request.app_data::<Proxies>() {
            Some(proxies) => proxies.client(peer, request.headers()),
            None => peer.to_canonical(),
        };
        Some(Self(address))
    }

    /// The address.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Debug for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientAddress(***)")
    }
}

impl FromRequest for ClientAddress {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| Problem::internal("a request without an address")))
    }
}

/// Whose word is taken for where a request comes from.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    trusted: Arc<Trust>,
    header: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self { trusted: Arc::new(settings.trusted_proxies.clone()), header: settings.forwarded_header }
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusted.includes(Some(client)) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => &FORWARDED,
        };
        let values: Vec<&str> = headers.get_all(name).filter_map(|value| value.to_str().ok()).collect();
        let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        for hop in hops.take(MOST_HOPS) {
            let said = match self.header {
                ForwardedHeader::XForwardedFor => Some(hop),
                ForwardedHeader::Forwarded => hop.split(';').find_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("for").then_some(value)
                }),
            };
            // `unknown`, or no address at all: whoever said so is as far as anybody knows.
            let Some(address) = said.and_then(address) else { break };
            client = address;
            if !self.trusted.includes(Some(client)) {
                break;
            }
        }
        client
    }

    /// Whether the client came by HTTPS, as far as the proxy before us says.
    pub(super) fn say_https(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|peer| peer.ip());
        peer.is_some() && self.trusted.includes(peer) && {
            let said = request.headers().get(&X_FORWARDED_PROTO).and_then(|value| value.to_str().ok());
            said.is_some_and(|said| said.rsplit(',').next().is_some_and(|last| last.trim() == "https"))
        }
    }
}

/// `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:80`, all of them also in quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn client(header: ForwardedHeader, peer: &str, said: &[(&'static str, &str)]) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let proxies = Proxies { trusted: Arc::new(Trust::Networks(trusted.to_vec())), header };
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_last_address_that_no_trusted_proxy_stands_behind() {
        for (peer, said, expected) in [
            // Nobody whose word is taken.
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What the client wrote itself stands before its address.
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["10.9.9.9, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:4711, [fd00::2]:80"], "203.0.113.9"),
            ("10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            // What is no address ends the way.
            ("10.0.0.1", &["203.0.113.9, garbage, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &[","], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let headers: Vec<_> = said.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(client(ForwardedHeader::XForwardedFor, peer, &headers), expected, "{peer} {said:?}");
        }
    }

    #[test]
    fn only_the_header_that_the_proxies_write_is_read() {
        let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=203.0.113.9;proto=https")];
        assert_eq!(client(ForwardedHeader::XForwardedFor, "10.0.0.1", &both), "1.1.1.1");
        assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &both), "203.0.113.9");
        for (said, expected) in [
            ("for=1.1.1.1, For=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("by=10.0.0.1;for=203.0.113.9", "203.0.113.9"),
            ("proto=https", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
        ] {
            assert_eq!(client(ForwardedHeader::Forwarded, "10.0.0.1", &[("forwarded", said)]), expected);
        }
    }
}
