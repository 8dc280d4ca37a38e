use opentelemetry_sdk::metrics::{Instrument, Stream};
use opentelemetry_sdk::trace::SpanLimits;

use crate::config::LimitSettings;
use crate::telemetry::environment::{Environment, Notices};

/// How much of each signal is exported: what the variables say, or else the settings.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct Limits {
    pub(in crate::telemetry) span: SpanLimits,
    /// Bytes of a text in a span.
    pub(in crate::telemetry) span_length: usize,
    /// Bytes of a text in a log record.
    pub(in crate::telemetry) log_length: usize,
    /// Attributes of a log record.
    pub(in crate::telemetry) log_attributes: usize,
    metric_series: usize,
}

impl Limits {
    pub(in crate::telemetry) fn new(
        settings: &LimitSettings,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Self {
        let mut count = |names: &[&str], setting: u32| environment.whole(names, setting, notices);
        let span = SpanLimits {
            max_attributes_per_span: count(
                &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
                settings.attributes,
            ),
            max_events_per_span: count(&["OTEL_SPAN_EVENT_COUNT_LIMIT"], settings.events),
            max_links_per_span: count(&["OTEL_SPAN_LINK_COUNT_LIMIT"], settings.links),
            max_attributes_per_event: count(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT"], settings.event_attributes),
            max_attributes_per_link: count(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT"], settings.link_attributes),
        };
        let log_attributes = count(
            &["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"],
            settings.attributes,
        );
        let mut length = |of_signal| {
            let names = [of_signal, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"];
            environment.whole(&names, settings.attribute_value_length, notices)
        };
        Self {
            span,
            span_length: length("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
            log_length: length("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT"),
            log_attributes: usize::try_from(log_attributes).unwrap_or(usize::MAX),
            metric_series: settings.metric_series,
        }
    }

    /// Of each instrument, as a view.
    pub(in crate::telemetry) fn series(
        self,
    ) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
        // What is no limit to the SDK leaves the SDK's own.
        move |_| Stream::builder().with_cardinality_limit(self.metric_series).build().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(variables: &[(&str, &str)]) -> Limits {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Limits::new(&LimitSettings::default(), &environment, &mut Notices::default())
    }

    #[test]
    fn without_a_variable_the_settings_hold() {
        let limits = limits(&[]);
        assert_eq!((limits.span_length, limits.log_length, limits.log_attributes), (4096, 4096, 128));
        assert_eq!(limits.span.max_links_per_span, 128);
    }

    #[test]
    fn the_variable_of_a_signal_wins_over_the_one_for_all_and_both_over_the_settings() {
        let limits = limits(&[
            ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "100"),
            ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10"),
            ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
            ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "3"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "0"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "2"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5"),
        ]);
        assert_eq!((limits.span_length, limits.log_length), (10, 100));
        assert_eq!((limits.span.max_attributes_per_span, limits.log_attributes), (7, 3));
        assert_eq!((limits.span.max_events_per_span, limits.span.max_links_per_span), (0, 2));
        assert_eq!((limits.span.max_attributes_per_event, limits.span.max_attributes_per_link), (4, 5));
    }

    #[test]
    fn what_is_no_number_leaves_what_is_weaker() {
        let limits =
            limits(&[("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1"), ("OTEL_ATTRIBUTE_COUNT_LIMIT", "many")]);
        assert_eq!((limits.span_length, limits.span.max_attributes_per_span), (4096, 128));
    }
}
