use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;

/// Where a change is logged: unlike what is said of exporting, it is exported, too.
const TARGET: &str = "spanbox::telemetry::levels";

/// More targets than anybody names; a bound for who sets one after the other.
const MOST_TARGETS: usize = 64;

/// The levels of a service's log by target, as `log.level` says and as they were changed since. Cheap to clone.
///
/// ```
/// use spanbox::telemetry::{ServiceInfo, Setup};
///
/// let telemetry = Setup::new(ServiceInfo::new("orders", "1.0.0")).environment([]).build()?;
/// let levels = telemetry.log_levels().expect("it has a log of its own");
/// levels.set("warn,orders=debug", "the example").expect("that is how levels are written");
/// assert_eq!(levels.to_string(), "warn,orders=debug");
/// levels.reset("the example");
/// assert_eq!(levels.to_string(), "info");
/// # Ok::<(), spanbox::telemetry::TelemetryError>(())
/// ```
#[derive(Clone)]
pub struct LogLevels {
    inner: Arc<Inner>,
}

struct Inner {
    /// Of what is logged about the telemetry itself, unless a directive names its target.
    own: Option<LevelFilter>,
    state: RwLock<State>,
}

struct State {
    configured: Directives,
    current: Directives,
    /// The same, with what the framework puts below them.
    targets: Targets,
    most: LevelFilter,
}

impl LogLevels {
    pub(super) fn new(configured: Directives, own: Option<LevelFilter>) -> Self {
        let targets = configured.targets(own);
        let most = most_verbose(&targets);
        let state = State { current: configured.clone(), configured, targets, most };
        Self { inner: Arc::new(Inner { own, state: RwLock::new(state) }) }
    }

    /// Sets all levels: one (`info`), and others by target (`info,orders=debug`). What changed and by whom is logged.
    ///
    /// # Errors
    ///
    /// What is wrong with the text; then nothing changes.
    pub fn set(&self, directives: &str, by: &str) -> Result<(), String> {
        self.change(Directives::parse(directives)?, by);
        Ok(())
    }

    /// Sets the level of one target and what is below it, e.g. `orders::payments`, and leaves the others.
    ///
    /// # Errors
    ///
    /// What is wrong with the target or the level; then nothing changes.
    pub fn set_target(&self, target: &str, level: &str, by: &str) -> Result<(), String> {
        let mut directives = self.inner.state.read().current.clone();
        directives.add(target, level)?;
        self.change(directives, by);
        Ok(())
    }

    /// Goes back to what is configured.
    pub fn reset(&self, by: &str) {
        let configured = self.inner.state.read().configured.clone();
        self.change(configured, by);
    }

    /// Takes what is configured now, in place of what was and of what was set since.
    pub(crate) fn configure(&self, directives: &str, by: &str) -> Result<(), String> {
        let directives = Directives::parse(directives)?;
        self.inner.state.write().configured = directives.clone();
        self.change(directives, by);
        Ok(())
    }

    fn change(&self, to: Directives, by: &str) {
        let from = self.to_string();
        if from == to.to_string() {
            return;
        }
        let tell = || tracing::warn!(target: TARGET, %from, %to, by, "the log's levels are changed");
        // Said with the levels that let it through.
        let before = self.inner.state.read().targets.would_enable(TARGET, &Level::WARN);
        if before {
            tell();
        }
        {
            let mut state = self.inner.state.write();
            state.targets = to.targets(self.inner.own);
            state.most = most_verbose(&state.targets);
            state.current = to.clone();
        }
        // Whether a line is logged at all is remembered where it is written.
        tracing::callsite::rebuild_interest_cache();
        if !before {
            tell();
        }
    }

    pub(super) fn enable(&self, metadata: &Metadata<'_>) -> bool {
        self.inner.state.read().targets.would_enable(metadata.target(), metadata.level())
    }

    /// The most verbose of all of them.
    pub(super) fn most(&self) -> LevelFilter {
        self.inner.state.read().most
    }
}

/// As `log.level` is written.
impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.state.read().current.fmt(f)
    }
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogLevels({self})")
    }
}

fn most_verbose(targets: &Targets) -> LevelFilter {
    let each = targets.iter().map(|(_, level)| level);
    each.chain(targets.default_level()).max().unwrap_or(LevelFilter::OFF)
}

/// A level for all targets, and levels of some.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    all: Option<LevelFilter>,
    targets: BTreeMap<String, LevelFilter>,
}

impl Directives {
    /// `info`, or `info,orders=debug`.
    ///
    /// Stricter than `Targets`' own parser, which takes a misspelt level for a target and then logs nothing else.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut directives = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((target, level)) => directives.add(target.trim(), level.trim())?,
                None => directives.all = Some(level(part)?),
            }
        }
        if directives == Self::default() {
            return Err("there is no level: write e.g. `info` or `info,orders=debug`".to_owned());
        }
        Ok(directives)
    }

    fn add(&mut self, target: &str, text: &str) -> Result<(), String> {
        if target.is_empty()
            || target.contains(|c: char| c.is_whitespace() || c.is_control() || ",=".contains(c))
        {
            return Err(format!("`{}` is no target: write e.g. `orders::payments`", target.escape_debug()));
        }
        let level = level(text)?;
        if self.targets.len() >= MOST_TARGETS && !self.targets.contains_key(target) {
            return Err(format!("there are {MOST_TARGETS} targets with a level already"));
        }
        self.targets.insert(target.to_owned(), level);
        Ok(())
    }

    fn targets(&self, own: Option<LevelFilter>) -> Targets {
        // Named targets win over these. actix logs each malformed request as an error, which any stranger can send, and
        // each worker's start and stop.
        let mut targets = Targets::new()
            .with_target("actix_http", LevelFilter::OFF)
            .with_target("actix_server", LevelFilter::WARN);
        if let Some(level) = own {
            targets = targets.with_target(super::TARGET, level).with_target("opentelemetry", level);
        }
        if let Some(level) = self.all {
            targets = targets.with_default(level);
        }
        targets.with_targets(self.targets.clone())
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.iter().map(LevelFilter::to_string);
        let targets = self.targets.iter().map(|(target, level)| format!("{target}={level}"));
        f.write_str(&all.chain(targets).collect::<Vec<_>>().join(","))
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| {
        format!("`{}` is no level: use off, error, warn, info, debug or trace", text.escape_debug())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str, own: Option<LevelFilter>) -> Targets {
        Directives::parse(text).unwrap().targets(own)
    }

    #[test]
    fn a_level_that_is_none_is_no_target_either() {
        for text in ["inof", "", ",", "info,orders", "orders=loud", "info,=info", "a b=info", "a=b=info"] {
            assert!(Directives::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Directives::parse("info,orders=loud").unwrap_err(),
            "`loud` is no level: use off, error, warn, info, debug or trace"
        );
    }

    #[test]
    fn levels_are_read_by_target_and_written_as_they_are_read() {
        let levels = targets("warn, orders=debug", None);
        assert!(levels.would_enable("orders::api", &Level::DEBUG));
        assert!(levels.would_enable("other", &Level::WARN));
        assert!(!levels.would_enable("other", &Level::INFO));
        let written = Directives::parse(" WARN ,orders= DEBUG, orders=trace,").unwrap().to_string();
        assert_eq!(written, "warn,orders=trace");
    }

    #[test]
    fn the_telemetrys_own_level_holds_for_what_it_logs_of_itself() {
        let own = Some(LevelFilter::ERROR);
        let quiet = targets("info", own);
        assert!(!quiet.would_enable("spanbox::telemetry", &Level::WARN));
        assert!(!quiet.would_enable("opentelemetry_sdk", &Level::WARN));
        assert!(quiet.would_enable("orders", &Level::INFO));
        let named = targets("info,spanbox::telemetry=debug", own);
        assert!(named.would_enable("spanbox::telemetry", &Level::DEBUG));
    }

    #[test]
    fn what_is_set_one_by_one_has_an_end() {
        let levels = LogLevels::new(Directives::parse("info").unwrap(), None);
        let refused = (0..=MOST_TARGETS).find(|n| levels.set_target(&format!("t{n}"), "debug", "").is_err());
        assert_eq!(refused, Some(MOST_TARGETS));
        assert!(levels.set_target("t0", "warn", "").is_ok(), "what is there is changed");
    }
}
