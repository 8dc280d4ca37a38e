use opentelemetry_sdk::trace::Sampler;

use super::environment::{Environment, Notices};

/// The sampler that `OTEL_TRACES_SAMPLER` asks for, or else the share of new traces that the settings say.
pub(super) fn sampler(ratio: f64, environment: &Environment, notices: &mut Notices) -> Sampler {
    let by_settings = || parent_based(Sampler::TraceIdRatioBased(ratio));
    let Some(name) = environment.get("OTEL_TRACES_SAMPLER") else { return by_settings() };
    match name.to_ascii_lowercase().as_str() {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(argument(environment, notices)),
        "parentbased_always_on" => parent_based(Sampler::AlwaysOn),
        "parentbased_always_off" => parent_based(Sampler::AlwaysOff),
        "parentbased_traceidratio" => {
            parent_based(Sampler::TraceIdRatioBased(argument(environment, notices)))
        }
        _ => {
            notices.note(format!(
                "OTEL_TRACES_SAMPLER is `{name}`, which is not built in: telemetry.sample_ratio = {ratio} is used"
            ));
            by_settings()
        }
    }
}

fn parent_based(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

fn argument(environment: &Environment, notices: &mut Notices) -> f64 {
    let Some(text) = environment.get("OTEL_TRACES_SAMPLER_ARG") else { return 1.0 };
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
        _ => {
            notices.note(format!(
                "OTEL_TRACES_SAMPLER_ARG is `{text}`, which is no number from 0.0 to 1.0: 1.0 is used"
            ));
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(variables: &[(&str, &str)]) -> String {
        let environment = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        format!("{:?}", sampler(0.25, &environment, &mut Notices::default()))
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
            assert_eq!(chosen(&[("OTEL_TRACES_SAMPLER", value), arg]), expected);
        }
    }

    #[test]
    fn what_is_not_known_falls_back() {
        assert_eq!(chosen(&[("OTEL_TRACES_SAMPLER", "xray")]), "ParentBased(TraceIdRatioBased(0.25))");
        let ratio = ("OTEL_TRACES_SAMPLER", "traceidratio");
        for argument in ["2", "-1", "NaN", "half"] {
            assert_eq!(chosen(&[ratio, ("OTEL_TRACES_SAMPLER_ARG", argument)]), "TraceIdRatioBased(1.0)");
        }
    }
}
