//! What is measured: a route of a program that records so much.

use super::peers::Peer;

/// What is asked for, and what answers from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Route {
    Hello,
    ReadSqlite,
    WriteSqlite,
    ReadPostgres,
    WritePostgres,
}

impl Route {
    pub(super) const ALL: [Self; 5] =
        [Self::Hello, Self::ReadSqlite, Self::WriteSqlite, Self::ReadPostgres, Self::WritePostgres];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::ReadSqlite => "order read, SQLite",
            Self::WriteSqlite => "order write, SQLite",
            Self::ReadPostgres => "order read, PostgreSQL",
            Self::WritePostgres => "order write, PostgreSQL",
        }
    }

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Hello => "/hello",
            Self::ReadSqlite | Self::ReadPostgres => "/api/orders/1",
            Self::WriteSqlite | Self::WritePostgres => "/api/orders/",
        }
    }

    pub(super) const fn writes(self) -> bool {
        matches!(self, Self::WriteSqlite | Self::WritePostgres)
    }

    pub(super) const fn on_postgres(self) -> bool {
        matches!(self, Self::ReadPostgres | Self::WritePostgres)
    }
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Program {
    /// actix-web by itself, in this program.
    Bare,
    /// A service with one route, with telemetry and nothing else around it.
    Lean,
    /// The same with all that a service has by default.
    Whole,
    /// The order service.
    Orders,
    /// Somebody else's.
    Peer(Peer),
}

/// What is recorded, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    Nothing,
    Tenth,
    Traces,
    Metrics,
    Logs,
    /// A tenth is sampled, and the rest held until it is known that it does not matter.
    Kept,
    /// Headers with an e-mail address in them are recorded, and it is hidden.
    Redacted,
    /// The collector takes everything and answers nothing.
    Hanging,
}

impl Recorded {
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::Tenth,
        Self::Traces,
        Self::Metrics,
        Self::Logs,
        Self::Kept,
        Self::Redacted,
        Self::Hanging,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "no telemetry",
            Self::Tenth => "traces 10 %",
            Self::Traces => "traces 100 %",
            Self::Metrics => "traces 100 %, metrics",
            Self::Logs => "traces 100 %, metrics, logs",
            Self::Kept => "traces 10 %, metrics, logs, keep",
            Self::Redacted => "traces 100 %, metrics, logs, to redact",
            Self::Hanging => "traces 100 %, metrics, logs, collector hangs",
        }
    }

    const fn metrics(self) -> bool {
        !matches!(self, Self::Nothing | Self::Tenth | Self::Traces)
    }

    const fn logs(self) -> bool {
        self.metrics() && !matches!(self, Self::Metrics)
    }

    pub(super) const fn tenth(self) -> bool {
        matches!(self, Self::Tenth | Self::Kept)
    }

    /// For a service of ours, with a collector at `endpoint`.
    pub(super) fn environment(self, endpoint: &str) -> Vec<(&'static str, String)> {
        if self == Self::Nothing {
            return vec![("OTEL_SDK_DISABLED", "true".to_owned())];
        }
        let exporter = |on| if on { "otlp" } else { "none" }.to_owned();
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.to_owned()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned()),
            ("OTEL_METRICS_EXPORTER", exporter(self.metrics())),
            ("OTEL_LOGS_EXPORTER", exporter(self.logs())),
            ("APP_TELEMETRY__KEEP__ENABLED", (self == Self::Kept).to_string()),
            ("OTEL_TRACE_SAMPLE_RATE", if self.tenth() { "0.1" } else { "1.0" }.to_owned()),
        ];
        if self == Self::Redacted {
            let headers = "x-customer,user-agent".to_owned();
            variables.push(("APP_TELEMETRY__CAPTURE__REQUEST_HEADERS", headers));
        }
        variables
    }

    /// What the clients send besides.
    pub(super) fn headers(self) -> Vec<&'static str> {
        match self {
            Self::Redacted => {
                vec!["x-customer: ann.lee@example.com", "user-agent: shop/1.0 (+ann.lee@example.com)"]
            }
            _ => Vec::new(),
        }
    }
}

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Case {
    pub(super) route: Route,
    pub(super) program: Program,
    pub(super) recorded: Recorded,
}

impl Case {
    /// All of a route, what the others are held against first.
    pub(super) fn all(route: Route, peers: &[Peer]) -> Vec<Self> {
        let of = |program, recorded: &[Recorded]| -> Vec<Self> {
            recorded.iter().map(|recorded| Self { route, program, recorded: *recorded }).collect()
        };
        let mut all = if route == Route::Hello {
            let few = [Recorded::Nothing, Recorded::Tenth, Recorded::Traces, Recorded::Metrics];
            let mut all = of(Program::Bare, &[Recorded::Nothing]);
            all.extend(of(Program::Lean, &Recorded::ALL));
            all.extend(of(Program::Whole, &few));
            all
        } else {
            of(Program::Orders, &Recorded::ALL)
        };
        if !route.on_postgres() {
            for peer in peers {
                all.extend(of(Program::Peer(*peer), peer.records()));
            }
        }
        all
    }

    /// What the others of its route are held against.
    pub(super) fn baseline(route: Route) -> Self {
        let program = if route == Route::Hello { Program::Bare } else { Program::Orders };
        Self { route, program, recorded: Recorded::Nothing }
    }

    pub(super) fn variant(self) -> String {
        let recorded = self.recorded.name();
        match self.program {
            Program::Bare => "bare actix-web".to_owned(),
            Program::Lean => format!("telemetry alone: {recorded}"),
            Program::Whole => format!("all defaults: {recorded}"),
            Program::Orders => recorded.to_owned(),
            Program::Peer(peer) => format!("{}: {recorded}", peer.name()),
        }
    }

    pub(super) fn name(self) -> String {
        format!("{}: {}", self.route.name(), self.variant())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_route_is_held_against_is_measured_first() {
        for route in Route::ALL {
            assert_eq!(Case::all(route, &Peer::ALL)[0], Case::baseline(route));
        }
    }

    #[test]
    fn no_two_cases_have_one_name() {
        let names = Route::ALL.map(|route| Case::all(route, &Peer::ALL).into_iter().map(Case::name));
        let mut names: Vec<_> = names.into_iter().flatten().collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_case_exports_what_its_name_says() {
        let exported = |recorded: Recorded, signal: &str| {
            let variables = recorded.environment("http://127.0.0.1:1");
            variables.iter().any(|(name, value)| *name == signal && value == "otlp")
        };
        for recorded in Recorded::ALL {
            assert_eq!(exported(recorded, "OTEL_METRICS_EXPORTER"), recorded.name().contains("metrics"));
            assert_eq!(exported(recorded, "OTEL_LOGS_EXPORTER"), recorded.name().contains("logs"));
            assert_eq!(recorded.tenth(), recorded.name().contains("10 %"));
        }
    }
}
