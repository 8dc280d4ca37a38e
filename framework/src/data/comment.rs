//! Comments in statements that say what asked for them, by the specification of sqlcommenter.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryBuilder as _, QueryFragment, QueryId};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use parking_lot::Mutex;

use crate::config::DatabaseTelemetrySettings;
use crate::telemetry::Asking;

/// Makes them. What is the same for a route is made once.
pub(super) struct Comments {
    traceparent: bool,
    known: Mutex<HashMap<Option<Asking>, Arc<str>>>,
}

/// What follows a statement.
pub(super) struct Comment {
    text: Arc<str>,
    /// No other statement has the same.
    unique: bool,
}

impl Comments {
    /// `None` where they are switched off.
    pub(super) fn new(settings: &DatabaseTelemetrySettings) -> Option<Self> {
        settings.comment.then(|| Self { traceparent: settings.comment_traceparent, known: Mutex::default() })
    }

    /// The comment of a statement that is asked for in the current context.
    pub(super) fn make(&self) -> Comment {
        Context::map_current(|cx| {
            let asking = cx.get::<Asking>().copied();
            let span = cx.span();
            let caller = Some(span.span_context()).filter(|it| self.traceparent && it.is_valid());
            let Some(caller) = caller else {
                let text =
                    self.known.lock().entry(asking).or_insert_with(|| text(asking, None).into()).clone();
                return Comment { text, unique: false };
            };
            let flags = caller.trace_flags().to_u8();
            let traceparent = format!("00-{}-{}-{flags:02x}", caller.trace_id(), caller.span_id());
            Comment { text: text(asking, Some(&traceparent)).into(), unique: true }
        })
    }
}

/// The tags in the order of their names, as the specification wants them.
fn text(asking: Option<Asking>, traceparent: Option<&str>) -> String {
    let framework = concat!(env!("CARGO_PKG_NAME"), ":", env!("CARGO_PKG_VERSION"));
    let tags = [
        ("db_driver", Some("diesel-async")),
        ("framework", Some(framework)),
        ("module", asking.map(|asking| asking.module)),
        ("route", asking.and_then(|asking| asking.route)),
        ("traceparent", traceparent),
    ];
    let mut text = " /*".to_owned();
    for (name, value) in tags {
        let Some(value) = value else { continue };
        text.push_str(if text.len() > 3 { "," } else { "" });
        text.push_str(name);
        text.push_str("='");
        encode(value, &mut text);
        text.push('\'');
    }
    text.push_str("*/");
    text
}

/// Percent-encodes everything but the unreserved characters (RFC 3986, section 2.3), so that nothing is left that could
/// end the value or the comment.
fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// A query and its comment. What diesel prepares of it is found by its text, for the type of the query knows nothing of
/// the comment.
pub(super) struct Commented<Q> {
    pub(super) query: Q,
    pub(super) comment: Comment,
}

impl<Q> QueryId for Commented<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q: Query> Query for Commented<Q> {
    type SqlType = Q::SqlType;
}

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Commented<Q> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.query.walk_ast(out.reborrow())?;
        out.push_sql(&self.comment.text);
        Ok(())
    }

    fn to_sql(&self, out: &mut DB::QueryBuilder, backend: &DB) -> QueryResult<()> {
        self.query.to_sql(out, backend)?;
        out.push_sql(&self.comment.text);
        Ok(())
    }

    fn is_safe_to_cache_prepared(&self, backend: &DB) -> QueryResult<bool> {
        // Kept, one of its own would stay prepared for as long as the connection lives, and never be used again.
        Ok(!self.comment.unique && self.query.is_safe_to_cache_prepared(backend)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_sorted_encoded_and_can_not_end_the_comment() {
        let asking = Asking { module: "o'r*/ders;--", route: Some("/a/{id}?é") };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text(Some(asking), Some("00-1-2-01")),
            format!(
                " /*db_driver='diesel-async',framework='spanbox%3A{version}',module='o%27r%2A%2Fders%3B--',\
                 route='%2Fa%2F%7Bid%7D%3F%C3%A9',traceparent='00-1-2-01'*/"
            )
        );
        assert_eq!(
            text(None, None),
            format!(" /*db_driver='diesel-async',framework='spanbox%3A{version}'*/")
        );
    }
}
