use std::fmt;
use std::sync::Arc;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use super::Telemetry;
use super::environment::{Environment, Notices};
use super::keep::Held;
use crate::config::TelemetrySettings;

/// The share of the traces that begin in a context, in place of the service's.
struct Share(f64);

impl Telemetry {
    /// The context of [`Telemetry::root`], in which this share of new traces is recorded. `OTEL_TRACES_SAMPLER` wins
    /// over it.
    pub(crate) fn root_sampled(&self, ratio: f64) -> Context {
        self.root().with_value(Share(ratio))
    }
}

/// Decides which spans are recorded when they begin: by the parent, or for a new trace by its id.
#[derive(Clone)]
pub(super) struct Head {
    rule: Sampler,
    /// Whether a span does as its parent does.
    by_parent: bool,
    /// Whether a context's own share goes before the rule.
    by_share: bool,
    /// Where traces that are not sampled wait for their end, if they do.
    held: Option<Arc<Held>>,
}

impl Head {
    /// What `OTEL_TRACES_SAMPLER` asks for, or else the share of new traces that `OTEL_TRACE_SAMPLE_RATE` or the
    /// settings say.
    pub(super) fn new(
        settings: &TelemetrySettings,
        environment: &Environment,
        notices: &mut Notices,
    ) -> Self {
        let ratio = |notices: &mut Notices| {
            share("OTEL_TRACE_SAMPLE_RATE", settings.sample_ratio, environment, notices)
        };
        let by_settings = |ratio| Self {
            rule: Sampler::TraceIdRatioBased(ratio),
            by_parent: true,
            by_share: settings.sampling.has_shares(),
            held: None,
        };
        let Some(name) = environment.get("OTEL_TRACES_SAMPLER") else {
            return by_settings(ratio(notices));
        };
        let mut by_argument =
            || Sampler::TraceIdRatioBased(share("OTEL_TRACES_SAMPLER_ARG", 1.0, environment, notices));
        let (rule, by_parent) = match name.to_ascii_lowercase().as_str() {
            "always_on" => (Sampler::AlwaysOn, false),
            "always_off" => (Sampler::AlwaysOff, false),
            "traceidratio" => (by_argument(), false),
            "parentbased_always_on" => (Sampler::AlwaysOn, true),
            "parentbased_always_off" => (Sampler::AlwaysOff, true),
            "parentbased_traceidratio" => (by_argument(), true),
            _ => {
                let ratio = ratio(notices);
                notices.note(format!(
                    "OTEL_TRACES_SAMPLER is `{name}`, which is not built in: the share {ratio} of new traces is used"
                ));
                return by_settings(ratio);
            }
        };
        Self { rule, by_parent, by_share: false, held: None }
    }

    /// Records nothing, and passes a caller's decision on.
    pub(super) fn silent() -> Self {
        Self { rule: Sampler::AlwaysOff, by_parent: true, by_share: false, held: None }
    }

    /// Whether it was asked for no trace at all: then none is kept either.
    pub(super) fn wants_none(&self) -> bool {
        matches!(self.rule, Sampler::AlwaysOff)
    }

    /// What is not sampled is recorded all the same, for as long as it may turn out to matter.
    pub(super) fn holding(mut self, held: Arc<Held>) -> Self {
        self.held = Some(held);
        self
    }

    /// Whether all traces that begin here are recorded, whatever their ids.
    pub(super) fn records_all(&self) -> bool {
        let all = match self.rule {
            Sampler::AlwaysOn => true,
            Sampler::TraceIdRatioBased(ratio) => ratio >= 1.0,
            _ => false,
        };
        all && !self.by_share
    }

    /// Whether a span of a trace in a context is recorded, if only for as long as it may turn out to matter.
    pub(super) fn records(&self, cx: &Context, trace: TraceId) -> bool {
        self.decide(Some(cx), trace) != SamplingDecision::Drop
    }

    fn decide(&self, cx: Option<&Context>, trace: TraceId) -> SamplingDecision {
        let parent = cx.map(TraceContextExt::span);
        // A parent that is not valid is none: a trace begins (Trace SDK specification, ParentBased).
        let parent = parent.as_ref().filter(|span| span.span_context().is_valid());
        let decision = match parent {
            Some(parent) if self.by_parent => {
                if parent.span_context().is_sampled() {
                    return SamplingDecision::RecordAndSample;
                }
                SamplingDecision::Drop
            }
            None if self.by_share => match cx.and_then(Context::get::<Share>) {
                Some(Share(ratio)) => by_rule(&Sampler::TraceIdRatioBased(*ratio), trace),
                None => by_rule(&self.rule, trace),
            },
            _ => by_rule(&self.rule, trace),
        };
        match (&self.held, decision) {
            (Some(held), SamplingDecision::Drop)
                // A parent of this process that has ended is followed while its trace is undecided.
                if parent.is_none_or(|parent| {
                    parent.span_context().is_remote() || parent.is_recording() || held.has(trace)
                }) =>
            {
                SamplingDecision::RecordOnly
            }
            (_, decision) => decision,
        }
    }
}

/// Decides as the SDK's own sampler, which makes a result with attributes and a state each time.
fn by_rule(rule: &Sampler, trace: TraceId) -> SamplingDecision {
    let Sampler::TraceIdRatioBased(ratio) = rule else {
        return rule.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]).decision;
    };
    if *ratio >= 1.0 {
        return SamplingDecision::RecordAndSample;
    }
    // 63 bits of the id, as a share of all that they may be.
    #[allow(clippy::cast_possible_truncation, reason = "the lower half of the id")]
    let id = u128::from_be_bytes(trace.to_bytes()) as u64 >> 1;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "as the SDK"
    )]
    let below = (ratio.max(0.0) * (1_u64 << 63) as f64) as u64;
    if id < below { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop }
}

impl ShouldSample for Head {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        _name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        SamplingResult {
            decision: self.decide(parent, trace),
            attributes: Vec::new(),
            trace_state: parent
                .map_or_else(TraceState::default, |cx| cx.span().span_context().trace_state().clone()),
        }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by_parent {
            true => write!(f, "ParentBased({:?})", self.rule),
            false => self.rule.fmt(f),
        }
    }
}

fn share(name: &str, default: f64, environment: &Environment, notices: &mut Notices) -> f64 {
    let shown = default.to_string();
    environment.read(&[name], (default, &shown), "no number from 0.0 to 1.0", notices, |text| {
        text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(variables: &[(&str, &str)]) -> Head {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let settings = TelemetrySettings { sample_ratio: 0.25, ..TelemetrySettings::default() };
        Head::new(&settings, &environment, &mut Notices::default())
    }

    fn chosen(variables: &[(&str, &str)]) -> String {
        format!("{:?}", head(variables))
    }

    #[test]
    fn without_a_variable_the_settings_ratio_holds_for_new_traces() {
        assert_eq!(chosen(&[]), "ParentBased(TraceIdRatioBased(0.25))");
    }

    #[test]
    fn the_six_values_of_the_specification_are_honoured() {
        let arg = ("OTEL_TRACES_SAMPLER_ARG", "0.5");
        for (value, expected) in [
            ("always_on", "AlwaysOn"),
            ("always_off", "AlwaysOff"),
            ("traceidratio", "TraceIdRatioBased(0.5)"),
            ("parentbased_always_on", "ParentBased(AlwaysOn)"),
            ("parentbased_always_off", "ParentBased(AlwaysOff)"),
            ("parentbased_traceidratio", "ParentBased(TraceIdRatioBased(0.5))"),
        ] {
            let rate = ("OTEL_TRACE_SAMPLE_RATE", "0.75");
            assert_eq!(chosen(&[("OTEL_TRACES_SAMPLER", value), arg, rate]), expected);
        }
    }

    #[test]
    fn the_rate_of_the_guide_wins_over_the_settings() {
        assert_eq!(chosen(&[("OTEL_TRACE_SAMPLE_RATE", "0.1")]), "ParentBased(TraceIdRatioBased(0.1))");
        assert_eq!(chosen(&[("OTEL_TRACE_SAMPLE_RATE", "ten")]), "ParentBased(TraceIdRatioBased(0.25))");
    }

    #[test]
    fn what_is_not_known_falls_back() {
        assert_eq!(chosen(&[("OTEL_TRACES_SAMPLER", "xray")]), "ParentBased(TraceIdRatioBased(0.25))");
        let ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        for argument in ["2", "-1", "NaN", "half"] {
            assert_eq!(chosen(&[ratio, ("OTEL_TRACES_SAMPLER_ARG", argument)]), "TraceIdRatioBased(1.0)");
        }
    }

    #[test]
    fn a_share_is_the_same_traces_as_the_sdks() {
        let mut ids = fastrand::Rng::with_seed(13);
        for ratio in [-1.0, 0.0, 0.001, 0.1, 0.5, 0.999, 1.0, 2.0] {
            let rule = Sampler::TraceIdRatioBased(ratio);
            for trace in (0..10_000).map(|_| TraceId::from(ids.u128(1..))) {
                let expected = rule.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]).decision;
                assert_eq!(by_rule(&rule, trace), expected, "{ratio} {trace}");
            }
        }
    }

    #[test]
    fn ten_percent_of_a_hundred_thousand_are_sampled() {
        let head = head(&[("OTEL_TRACE_SAMPLE_RATE", "0.1")]);
        let mut ids = fastrand::Rng::with_seed(7);
        let sampled = (0..100_000)
            .filter(|_| head.decide(None, TraceId::from(ids.u128(1..))) == SamplingDecision::RecordAndSample)
            .count();
        assert!((9_500..=10_500).contains(&sampled), "{sampled}");
    }

    #[test]
    fn a_share_of_its_own_decides_about_new_traces_and_no_others() {
        let own = Telemetry::disabled().root_sampled(1.0);
        let trace = TraceId::from(u128::MAX);
        let mut settings = TelemetrySettings { sample_ratio: 0.25, ..TelemetrySettings::default() };
        settings.sampling.modules.insert("orders".to_owned(), 1.0);
        let shared = Head::new(&settings, &Environment::default(), &mut Notices::default());
        assert_eq!(shared.decide(Some(&Context::new()), trace), SamplingDecision::Drop);
        assert_eq!(shared.decide(Some(&own), trace), SamplingDecision::RecordAndSample);
        let asked_for = head(&[("OTEL_TRACES_SAMPLER", "always_off")]);
        assert_eq!(asked_for.decide(Some(&own), trace), SamplingDecision::Drop);
        let caller = opentelemetry::trace::SpanContext::new(
            trace,
            opentelemetry::SpanId::from(1),
            opentelemetry::TraceFlags::default(),
            true,
            TraceState::default(),
        );
        let called = own.with_remote_span_context(caller);
        assert_eq!(shared.decide(Some(&called), trace), SamplingDecision::Drop);
    }
}
