use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, Temporality};

use super::text;
use crate::telemetry::Telemetry;

/// How metrics are written for whoever scrapes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exposition {
    /// Prometheus's text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Exposition {
    /// What a scraper that sends this `Accept` header wants: OpenMetrics only when it asks for it.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let quality = |wanted: fn(&str, Option<&str>) -> bool| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let media = parts.next()?;
                let parameter = |name: &str| {
                    let mut pairs = parts.clone().filter_map(|part| part.split_once('='));
                    pairs
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.trim_matches('"'))
                };
                let quality = parameter("q").map_or(Some(1.0), |q| q.parse::<f32>().ok())?;
                wanted(media, parameter("version")).then_some(quality)
            });
            ranges.fold(0.0, f32::max)
        };
        let open = quality(|media, version| {
            media.eq_ignore_ascii_case("application/openmetrics-text")
                && version.is_none_or(|version| version == "1.0.0")
        });
        let plain = quality(|media, version| {
            media.eq_ignore_ascii_case("text/plain") && version.is_none_or(|version| version == "0.0.4")
        });
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the text.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Telemetry {
    /// All metrics of the service as they are now, cumulative since its start, for whoever scrapes them. It blocks the
    /// calling thread while they are read.
    ///
    /// `None` unless [`Setup::scraped`](crate::telemetry::Setup::scraped) was asked for and metrics are on.
    #[must_use]
    pub fn exposition(&self, exposition: Exposition) -> Option<String> {
        let mut metrics = ResourceMetrics::default();
        self.pipeline()?.scrape.as_ref()?.0.collect(&mut metrics).ok()?;
        Some(text::encode(&metrics, exposition))
    }
}

/// A reader of metrics that can be asked from outside of its provider, too: a clone for each of the two.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct Scrape(Arc<dyn MetricReader>);

impl Scrape {
    /// Whoever scrapes shares a reader that pushes, so that nothing is aggregated twice. It must be cumulative.
    pub(in crate::telemetry) fn sharing(reader: impl MetricReader) -> Self {
        Self(Arc::new(reader))
    }

    /// An aggregation of its own.
    pub(in crate::telemetry) fn alone() -> Self {
        Self::sharing(ManualReader::builder().with_temporality(Temporality::Cumulative).build())
    }
}

impl MetricReader for Scrape {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_prefer_it() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                            text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            ("", Exposition::Prometheus),
            ("*/*", Exposition::Prometheus),
            ("text/html, */*;q=0.1", Exposition::Prometheus),
            (prometheus_3, Exposition::OpenMetrics),
            ("application/openmetrics-text; version=\"1.0.0\"", Exposition::OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", Exposition::Prometheus),
            ("application/openmetrics-text;q=0", Exposition::Prometheus),
            ("application/openmetrics-text;q=0.2,text/plain;q=0.9", Exposition::Prometheus),
            (";;,=;q=x", Exposition::Prometheus),
        ] {
            assert_eq!(Exposition::accepted(accept), expected, "{accept}");
        }
    }
}
