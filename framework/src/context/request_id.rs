use std::sync::Arc;

/// What one request is called by everybody who was part of it: `X-Request-Id`. It is in the context of the request,
/// so that its span and its log records can say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

/// Longer is no id.
const MOST: usize = 128;

impl RequestId {
    /// A new one, of 128 random bits.
    #[must_use]
    pub fn new() -> Self {
        // It names a request and guards nothing: not worth asking the system for randomness.
        let id = uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid();
        Self((&*id.simple().encode_lower(&mut uuid::Uuid::encode_buffer())).into())
    }

    /// What somebody else calls the request, if that is a name: 1 to 128 letters, digits and `._-:+/=`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:+/=".contains(&byte);
        let is_one = (1..=MOST).contains(&text.len()) && text.bytes().all(fits);
        is_one.then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_short_and_plain_is_taken_from_others() {
        for good in ["a", "0af7651916cd43dd8448eb211c80319c", "req-1.2:3", &"x".repeat(128)] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\tb", "<script>", "a@b.example", "é", "\"", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(bad), None, "{bad}");
        }
        assert_ne!(RequestId::new(), RequestId::new());
    }
}
