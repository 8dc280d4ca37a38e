//! How a traced function fails.

use std::error::Error;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::future::FutureExt as _;
use opentelemetry::trace::Status;
use opentelemetry_sdk::trace::SpanData;
use tokio::task::yield_now;

use super::Service;

#[derive(Debug, thiserror::Error)]
#[error("cannot save")]
struct SaveError(#[source] io::Error);

fn full() -> io::Error {
    io::Error::other("disk full")
}

/// The type and the message of the one exception, and the description of the status.
fn failure(span: &SpanData) -> (Option<String>, Option<String>, String) {
    let exception = |key: &str| {
        let attributes =
            span.events.events.iter().filter(|it| it.name == "exception").flat_map(|it| &it.attributes);
        let found: Vec<_> = attributes.filter(|it| it.key.as_str() == key).collect();
        assert!(found.len() <= 1, "{span:?}");
        found.first().map(|it| it.value.to_string())
    };
    let Status::Error { description } = &span.status else { panic!("no error: {span:?}") };
    (exception("exception.type"), exception("exception.message"), description.to_string())
}

#[actix::test]
async fn an_error_is_recorded_with_its_type_and_its_causes_however_it_is_returned() {
    #[spanbox::traced]
    fn by_question_mark() -> Result<(), SaveError> {
        Err::<(), _>(SaveError(full()))?;
        Ok(())
    }
    #[spanbox::traced]
    async fn by_return(early: bool) -> Result<(), SaveError> {
        yield_now().await;
        if early {
            return Err(SaveError(full()));
        }
        Ok(())
    }
    #[spanbox::traced]
    fn by_alias() -> io::Result<()> {
        Err(full())
    }

    let service = Service::new();
    by_question_mark().unwrap_err();
    by_return(true).await.unwrap_err();
    for name in ["by_question_mark", "by_return"] {
        let (kind, message, status) = failure(&service.span(name));
        assert!(kind.is_some_and(|kind| kind.ends_with("SaveError")), "{name}");
        assert_eq!(message.as_deref(), Some("cannot save: disk full"));
        assert_eq!(status, "cannot save");
    }
    by_alias().unwrap_err();
    assert_eq!(failure(&service.span("by_alias")).1.as_deref(), Some("disk full"));
}

#[test]
fn any_error_is_recorded_as_well_as_its_type_allows() {
    #[derive(Debug)]
    struct Plain;

    #[spanbox::traced]
    fn held() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(SaveError(full()))?;
        Ok(())
    }
    #[spanbox::traced]
    fn text() -> Result<(), String> {
        Err("disk full".to_owned())
    }
    #[spanbox::traced]
    fn plain() -> Result<(), Plain> {
        Err(Plain)
    }
    #[spanbox::traced]
    fn generic<E: Error>(error: E) -> Result<(), E> {
        Err(error)
    }

    let service = Service::new();
    held().unwrap_err();
    text().unwrap_err();
    plain().unwrap_err();
    generic(full()).unwrap_err();
    let (saved, full) = (Some("cannot save: disk full".to_owned()), Some("disk full".to_owned()));
    assert_eq!(failure(&service.span("held")), (None, saved, "cannot save".to_owned()));
    assert_eq!(failure(&service.span("text")), (None, full.clone(), "disk full".to_owned()));
    assert_eq!(failure(&service.span("plain")), (None, None, String::new()));
    assert_eq!(failure(&service.span("generic")).1, full);
}

#[test]
fn what_is_no_failure_is_recorded_as_none() {
    #[spanbox::traced]
    fn succeeds() -> Result<u32, SaveError> {
        Ok(7)
    }
    #[spanbox::traced(error = false)]
    fn expected() -> Result<u32, SaveError> {
        Err(SaveError(full()))
    }
    #[spanbox::traced]
    fn nothing() -> Option<u32> {
        None
    }

    let service = Service::new();
    assert_eq!(succeeds().unwrap(), 7);
    expected().unwrap_err();
    assert!(nothing().is_none());
    for name in ["succeeds", "expected", "nothing"] {
        let span = service.span(name);
        assert_eq!(span.status, Status::Unset, "{name}");
        assert!(span.events.events.is_empty(), "{name}");
    }
}

#[actix::test]
async fn a_panic_ends_the_spans_that_it_goes_through_as_failed() {
    #[spanbox::traced]
    async fn outer() {
        yield_now().await;
        panics();
    }
    #[spanbox::traced]
    fn panics() {
        panic!("out of stock");
    }

    let service = Service::new();
    assert!(AssertUnwindSafe(outer()).catch_unwind().await.is_err());
    for name in ["outer", "panics"] {
        assert!(matches!(service.span(name).status, Status::Error { .. }), "{name}");
        assert_eq!(service.attribute(name, "error.type").as_deref(), Some("panic"));
    }
}

#[test]
fn what_is_done_while_another_panic_unwinds_has_not_failed() {
    struct Cleaner;

    impl Drop for Cleaner {
        fn drop(&mut self) {
            clean_up();
        }
    }

    #[spanbox::traced]
    fn clean_up() {}

    let service = Service::new();
    let result = catch_unwind(|| {
        let _cleaner = Cleaner;
        panic!("out of stock");
    });
    assert!(result.is_err());
    assert_eq!(service.span("clean_up").status, Status::Unset);
}
