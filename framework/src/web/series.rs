//! The metrics of a route's requests, each series looked up once.

use std::cell::RefCell;

use actix_web::http::StatusCode;
use opentelemetry::metrics::{BoundHistogram, BoundUpDownCounter, Histogram, UpDownCounter};

use super::request::Target;
use super::signals::Sample;

/// So many series of a route are kept at hand; it has a few, unless somebody tries out methods.
const MOST: usize = 64;

/// What one worker measures the requests of one route by. To find a series by its attributes costs more than to count in
/// it: they are hashed, all of them, for each request.
#[derive(Clone, Default)]
pub(crate) struct Series {
    active: ByKey<Begun, BoundUpDownCounter<i64>>,
    durations: ByKey<(Begun, StatusCode), BoundHistogram<f64>>,
}

/// What tells the series of a route apart when a request begins: its method, and whether it came by HTTPS.
type Begun = (&'static str, bool);

/// Series by what tells them apart.
type ByKey<K, S> = RefCell<Vec<(K, S)>>;

impl Series {
    /// One request more, or one less, is being answered.
    pub(super) fn count(&self, active: &UpDownCounter<i64>, sample: &Sample, by: i64) {
        let key = (sample.method, sample.secure);
        with(&self.active, key, || active.bind(&sample.active_attributes()), |bound| bound.add(by));
    }

    /// A request was answered with a status that says everything.
    pub(super) fn record(
        &self,
        duration: &Histogram<f64>,
        sample: &Sample,
        target: &Target,
        status: StatusCode,
        seconds: f64,
    ) {
        let key = ((sample.method, sample.secure), status);
        let bind = || duration.bind(&sample.attributes(target, Some(status), None));
        with(&self.durations, key, bind, |bound| bound.record(seconds));
    }
}

fn with<K: PartialEq, S>(series: &ByKey<K, S>, key: K, bind: impl FnOnce() -> S, measure: impl FnOnce(&S)) {
    let mut series = series.borrow_mut();
    if let Some((_, bound)) = series.iter().find(|(known, _)| *known == key) {
        return measure(bound);
    }
    let bound = bind();
    measure(&bound);
    if series.len() < MOST {
        series.push((key, bound));
    }
}
