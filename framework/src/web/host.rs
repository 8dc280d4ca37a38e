//! The host that a request asks.

use std::cell::{Ref, RefCell};
use std::sync::Arc;

use actix_web::http::header::{HOST, HeaderMap, HeaderValue};
use opentelemetry::StringValue;

/// The host that was asked last. Most requests ask the same one: it is read once, and spans share its text.
#[derive(Clone, Default)]
pub(crate) struct LastHost(RefCell<Option<Host>>);

/// What a `Host` header says.
#[derive(Clone)]
pub(super) struct Host {
    header: HeaderValue,
    /// Without the port; none if it is no text.
    pub(super) address: Option<StringValue>,
    pub(super) port: Option<u16>,
    /// Whether there is no character in it that is in no host.
    pub(super) sound: bool,
}

impl LastHost {
    /// None without the header.
    pub(super) fn read(&self, headers: &HeaderMap) -> Option<Ref<'_, Host>> {
        let header = headers.get(HOST)?;
        if self.0.borrow().as_ref().is_none_or(|host| host.header != *header) {
            *self.0.borrow_mut() = Some(Host::new(header));
        }
        Ref::filter_map(self.0.borrow(), Option::as_ref).ok()
    }
}

impl Host {
    fn new(header: &HeaderValue) -> Self {
        let text = header.to_str().ok();
        let (address, port) = match text.and_then(|text| text.rsplit_once(':')) {
            Some((address, port)) if !port.ends_with(']') => (Some(address), port.parse().ok()),
            _ => (text, None),
        };
        Self {
            header: header.clone(),
            address: address.map(|address| StringValue::from(Arc::<str>::from(address))),
            port,
            sound: header.as_bytes().iter().all(|byte| IN_A_HOST[usize::from(*byte)]),
        }
    }

    /// As the header has it.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.header.as_bytes()
    }
}

/// The characters of RFC 3986, section 3.2.2, and the colon before a port.
const IN_A_HOST: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < allowed.len() {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric()
            || matches!(byte as u8, b'!' | b'$'..=b'.' | b':' | b';' | b'=' | b'[' | b']' | b'_' | b'~');
        byte += 1;
    }
    allowed
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_own_host_whichever_was_asked_last() {
        let last = LastHost::default();
        let address = |host: &Host| host.address.as_ref().map(|address| address.as_str().to_owned());
        assert!(last.read(&HeaderMap::new()).is_none());
        for (header, expected, port, sound) in [
            ("a.example", Some("a.example"), None, true),
            ("a.example:80", Some("a.example"), Some(80), true),
            ("a.example:80", Some("a.example"), Some(80), true),
            ("[::1]", Some("[::1]"), None, true),
            ("[::1]:8080", Some("[::1]"), Some(8080), true),
            ("a.example:x", Some("a.example"), None, true),
            ("a b", Some("a b"), None, false),
            ("a@b", Some("a@b"), None, false),
            ("é", None, None, false),
            ("", Some(""), None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_bytes(header.as_bytes()).unwrap());
            let host = last.read(&headers).unwrap();
            assert_eq!(host.as_bytes(), header.as_bytes());
            assert_eq!(
                (address(&host).as_deref(), host.port, host.sound),
                (expected, port, sound),
                "{header}"
            );
        }
    }
}
