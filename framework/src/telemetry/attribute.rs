use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Value;

/// What [`traced`](crate::traced) records as it is: numbers, texts, `bool`, and `Option`s of them.
///
/// Whatever else is recorded by how it displays (`%value`), or in a part. What must not be shown, as a
/// [`Secret`](crate::redact::Secret), is not among them and does not display either.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be recorded as an attribute",
    note = "record `%value` (as it displays), `?value` (as it debugs), or a part of it"
)]
pub trait AttributeValue {
    /// The value; `None` leaves the attribute out.
    fn attribute_value(&self) -> Option<Value>;
}

impl<T: AttributeValue + ?Sized> AttributeValue for &T {
    fn attribute_value(&self) -> Option<Value> {
        T::attribute_value(self)
    }
}

impl<T: AttributeValue> AttributeValue for Option<T> {
    fn attribute_value(&self) -> Option<Value> {
        self.as_ref().and_then(T::attribute_value)
    }
}

impl AttributeValue for Value {
    fn attribute_value(&self) -> Option<Value> {
        Some(self.clone())
    }
}

impl AttributeValue for Arc<str> {
    fn attribute_value(&self) -> Option<Value> {
        Some(Self::clone(self).into())
    }
}

macro_rules! attribute_values {
    ($($type:ty: |$value:ident| $shown:expr;)*) => {
        $(impl AttributeValue for $type {
            fn attribute_value(&self) -> Option<Value> {
                let $value = self;
                Some(Value::from($shown))
            }
        })*
    };
}

attribute_values! {
    bool: |it| *it;
    i8: |it| i64::from(*it);
    i16: |it| i64::from(*it);
    i32: |it| i64::from(*it);
    i64: |it| *it;
    u8: |it| i64::from(*it);
    u16: |it| i64::from(*it);
    u32: |it| i64::from(*it);
    f32: |it| f64::from(*it);
    f64: |it| *it;
    str: |it| it.to_owned();
    String: |it| it.clone();
    Cow<'_, str>: |it| it.to_string();
}

// OpenTelemetry's integers have 64 bits and a sign; what does not fit is a text of digits (as in its mapping to OTLP).
macro_rules! wide_attribute_values {
    ($($type:ty)*) => {
        $(impl AttributeValue for $type {
            fn attribute_value(&self) -> Option<Value> {
                Some(i64::try_from(*self).map_or_else(|_| self.to_string().into(), Value::from))
            }
        })*
    };
}

wide_attribute_values! { isize u64 usize }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers_as_long_as_they_fit() {
        assert_eq!(7_u8.attribute_value(), Some(Value::I64(7)));
        assert_eq!(7_usize.attribute_value(), Some(Value::I64(7)));
        assert_eq!(u64::MAX.attribute_value(), Some(Value::from("18446744073709551615")));
        assert_eq!(0.5_f32.attribute_value(), Some(Value::F64(0.5)));
    }

    #[test]
    fn texts_are_recorded_from_whatever_holds_them() {
        let expected = Some(Value::from("paypal"));
        assert_eq!("paypal".attribute_value(), expected);
        assert_eq!(Some(&"paypal").attribute_value(), expected);
        assert_eq!(String::from("paypal").attribute_value(), expected);
        assert_eq!(Arc::<str>::from("paypal").attribute_value(), expected);
        assert_eq!(Cow::from("paypal").attribute_value(), expected);
    }

    #[test]
    fn nothing_is_left_out() {
        assert_eq!(None::<i64>.attribute_value(), None);
        assert_eq!(Some("paypal").attribute_value(), Some(Value::from("paypal")));
    }
}
