use std::fmt;

use serde::{Deserialize, Serializer};

/// What stands in the place of a secret wherever one would be shown. It tells nothing, not even a length.
pub const MASK: &str = "***";

/// A value that is never shown by accident: it has no `Display`, no `Deref` and no `Serialize`, and its `Debug` is
/// [`MASK`]. The one way to the value is [`Secret::expose`], which a reader can search for.
///
/// ```
/// use spanbox::redact::Secret;
///
/// let key = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{key:?}"), "***");
/// assert_eq!(key.expose(), "hunter2");
/// ```
#[derive(Clone, Deserialize, PartialEq, Eq)]
#[serde(transparent)]
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

    /// For `#[serde(serialize_with = "Secret::masked")]` on a settings field: writes [`MASK`] when there is a
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

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
