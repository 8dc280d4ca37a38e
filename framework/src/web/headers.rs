use actix_web::http::header::{HeaderMap, HeaderName};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};

/// Headers that become attributes of a request's span. Their names are made once.
pub(super) struct Headers(Vec<(HeaderName, Key)>);

impl Headers {
    /// What is no header's name is left out; the settings have refused it before.
    pub(super) fn new(prefix: &str, names: &[String]) -> Self {
        let names = names.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
        let keys = names.map(|name| {
            let key = Key::from(std::sync::Arc::<str>::from(format!("{prefix}{name}")));
            (name, key)
        });
        Self(keys.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A list of values for each header that is there.
    pub(super) fn attributes(&self, headers: &HeaderMap) -> impl Iterator<Item = KeyValue> {
        self.0.iter().filter_map(|(name, key)| {
            let values =
                headers.get_all(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let values: Vec<StringValue> = values.map(StringValue::from).collect();
            (!values.is_empty()).then(|| KeyValue::new(key.clone(), Value::Array(Array::String(values))))
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn a_header_is_a_list_of_its_values_by_its_name_in_lower_case() {
        let names = ["X-Request-Id", "accept", "absent"].map(str::to_owned);
        let captured = Headers::new("http.request.header.", &names);
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-request-id"), HeaderValue::from_static("7"));
        headers.append(HeaderName::from_static("accept"), HeaderValue::from_static("a"));
        headers.append(HeaderName::from_static("accept"), HeaderValue::from_static("b"));
        let list = |texts: &[&'static str]| {
            Value::Array(Array::String(texts.iter().map(|text| (*text).into()).collect()))
        };
        let attributes: Vec<_> = captured.attributes(&headers).collect();
        assert_eq!(
            attributes,
            [
                KeyValue::new("http.request.header.x-request-id", list(&["7"])),
                KeyValue::new("http.request.header.accept", list(&["a", "b"])),
            ]
        );
    }
}
