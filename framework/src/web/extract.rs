//! How the inputs of a handler that are not its body become problem documents when they do not fit.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::error::PathError;
use actix_web::http::StatusCode;
use actix_web::web::PathConfig;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::Problem;
use super::problem::plain;
use crate::config::{Config, Section};
use crate::data::Db;

/// The service's database.
impl FromRequest for Db {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let db = request.app_data::<Self>().cloned();
        ready(db.ok_or_else(|| {
            Problem::internal("this service has no database: give it one with Service::migrations")
        }))
    }
}

/// A section of the settings, as they were when the service started.
#[derive(Clone, Debug)]
pub struct Settings<T>(pub T);

impl<T> Deref for Settings<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Section> FromRequest for Settings<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let section = request.app_data::<Config>().and_then(|config| config.get::<T>().ok());
        ready(section.map(Self).ok_or_else(|| {
            Problem::internal(format!("no module of this service registered the settings [{}]", T::NAME))
        }))
    }
}

/// `web::Path<T>` that does not fit is a 400 that names the parameter.
pub(crate) fn path_config() -> PathConfig {
    PathConfig::default().error_handler(|error, request| {
        let detail = match &error {
            PathError::Deserialize(error) => error.to_string(),
            error => error.to_string(),
        };
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid");
        let mut parameters = request.match_info().iter();
        // The router does not say which parameter it was; it quotes the value.
        match parameters.find(|(_, value)| detail.contains(&format!("{value:?}"))) {
            Some((name, _)) => problem.field(name, plain(&detail)),
            None => problem.detail(plain(&detail)),
        }
        .into()
    })
}

/// The query of the URL. One that does not fit the type is a 400 that names the parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(parse_query(request.query_string()).map(Self))
    }
}

pub(crate) fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let path = error.path().to_string();
        let detail = error.into_inner().to_string();
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid");
        match field_of(&path, &detail) {
            Some(field) => problem.field(field, plain(&detail)),
            None => problem.detail(plain(&detail)),
        }
    })
}

/// serde names an unknown or a doubled parameter only in its message.
fn field_of(path: &str, detail: &str) -> Option<String> {
    if path != "." {
        return Some(path.to_owned());
    }
    detail.contains(" field `").then(|| detail.split('`').nth(1).map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only its parsing is looked at")]
    struct Page {
        limit: Option<u8>,
        #[serde(default)]
        order: Option<Order>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        Up,
        Down,
    }

    #[test]
    fn the_parameter_that_does_not_fit_is_named() {
        assert_eq!(parse_query::<Page>("limit=9&order=up").unwrap().limit, Some(9));
        for (query, field) in [
            ("limit=x", "limit"),
            ("limit=300", "limit"),
            ("order=left", "order"),
            ("page=1", "page"),
            ("limit=1&limit=2", "limit"),
        ] {
            let problem = parse_query::<Page>(query).unwrap_err();
            assert_eq!(
                (problem.status().as_u16(), problem.errors()[0].field.as_str()),
                (400, field),
                "{problem}"
            );
        }
    }
}
