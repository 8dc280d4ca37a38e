use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::MASK;

/// A value about a person, e.g. a name or an e-mail address: it is used, stored and sent to whom it concerns, and never
/// shown by accident. It has no `Display`, no `Deref` and no `Serialize`, and its `Debug` is [`MASK`]; the one way to the
/// value is [`Pii::expose`].
///
/// It is read as the value that it hides. Written it is only where a field says so: by `Pii::reveal`, e.g. in the answer
/// to the person, or by `Pii::mask`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use spanbox::redact::Pii;
///
/// #[derive(Debug, Deserialize, Serialize)]
/// struct Customer {
///     id: i64,
///     #[serde(serialize_with = "Pii::reveal")]
///     email: Pii<String>,
/// }
///
/// let customer: Customer = serde_json::from_str(r#"{"id":7,"email":"ann@example.com"}"#)?;
/// assert_eq!(format!("{customer:?}"), "Customer { id: 7, email: *** }");
/// assert_eq!(serde_json::to_string(&customer)?, r#"{"id":7,"email":"ann@example.com"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// It is no attribute of a span:
///
/// ```compile_fail,E0277
/// use spanbox::redact::Pii;
///
/// opentelemetry::KeyValue::new("user.email", Pii::new("ann@example.com".to_owned()));
/// ```
///
/// and no field of a log record:
///
/// ```compile_fail,E0277
/// use spanbox::redact::Pii;
///
/// let email = Pii::new("ann@example.com".to_owned());
/// tracing::info!(email, "welcome");
/// ```
#[derive(Clone, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(transparent)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, taken out.
    pub fn into_exposed(self) -> T {
        self.0
    }

    /// For `#[serde(serialize_with = "Pii::reveal")]`: writes the value.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn reveal<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
    {
        self.0.serialize(serializer)
    }

    /// For `#[serde(serialize_with = "Pii::mask")]`: writes [`MASK`].
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn mask<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<T> From<T> for Pii<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, Serialize)]
    struct Person {
        #[serde(serialize_with = "Pii::reveal")]
        name: Pii<String>,
        #[serde(serialize_with = "Pii::mask")]
        age: Pii<u8>,
    }

    #[test]
    fn a_value_is_read_and_written_only_as_its_field_says() {
        let person: Person = serde_json::from_str(r#"{"name":"Ann","age":40}"#).unwrap();
        assert_eq!((person.name.expose().as_str(), *person.age.expose()), ("Ann", 40));
        assert_eq!(serde_json::to_string(&person).unwrap(), r#"{"name":"Ann","age":"***"}"#);
        assert_eq!(person.name.into_exposed(), "Ann");
    }

    #[test]
    fn debug_shows_the_mask_alone() {
        let person = Person { name: "Ann".to_owned().into(), age: 40.into() };
        assert_eq!(format!("{person:?}"), "Person { name: ***, age: *** }");
    }
}
