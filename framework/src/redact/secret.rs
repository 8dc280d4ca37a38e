use std::fmt;

use serde::{Deserialize, Serializer};

/// What stands in the place of a secret wherever one would be shown. It tells nothing, not even a length.
pub const MASK: &str = "***";

/// A value that is never shown by accident: it has no `Display`, no `Deref` and no `Serialize`, and its `Debug` is
/// [`MASK`]. The one way to the value is [`Secret::expose`], which a reader can search for.
///
/// It is read as the value that it hides. It is a newtype to serde, by the name `Secret`, from which the
/// configuration knows what it must not repeat in an error.
///
/// ```
/// use spanbox::redact::Secret;
///
/// let key = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{key:?}"), "***");
/// assert_eq!(key.expose(), "hunter2");
/// ```
///
/// It is no attribute of a span:
///
/// ```compile_fail,E0277
/// use spanbox::redact::Secret;
///
/// opentelemetry::KeyValue::new("key", Secret::new("hunter2".to_owned()));
/// ```
///
/// and no field of a log record:
///
/// ```compile_fail,E0277
/// use spanbox::redact::Secret;
///
/// let key = Secret::new("hunter2".to_owned());
/// tracing::info!(key, "signed in");
/// ```
#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// For `#[serde(serialize_with = "Secret::mask")]` on a settings field: writes [`MASK`].
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn mask<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }

    /// For `#[serde(serialize_with = "Secret::masked")]` on an optional settings field: writes [`MASK`] when there is a
    /// secret, and nothing when there is none.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    #[allow(clippy::ref_option, reason = "serde passes the field by reference")]
    pub fn masked<S: Serializer>(value: &Option<Self>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(_) => serializer.serialize_some(MASK),
            None => serializer.serialize_none(),
        }
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Keys {
        #[serde(serialize_with = "Secret::mask")]
        always: Secret<String>,
        #[serde(serialize_with = "Secret::masked")]
        sometimes: Option<Secret<String>>,
        #[serde(serialize_with = "Secret::masked")]
        never: Option<Secret<String>>,
    }

    fn keys() -> Keys {
        serde_json::from_str(r#"{"always": "hunter2", "sometimes": "hunter3"}"#).unwrap()
    }

    #[test]
    fn a_secret_is_read_as_the_value_it_hides() {
        let keys = keys();
        assert_eq!(keys.always.expose(), "hunter2");
        assert_eq!(keys.sometimes, Some(Secret::from("hunter3".to_owned())));
    }

    #[test]
    fn a_secret_is_written_masked_whatever_its_length() {
        let written = serde_json::to_string(&keys()).unwrap();
        assert_eq!(written, r#"{"always":"***","sometimes":"***","never":null}"#);
    }

    #[test]
    fn debug_shows_the_mask_alone() {
        let shown = format!("{:?}", keys());
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("always: ***"), "{shown}");
    }
}
