use crate::config::{Config, Entry, Loader, LogSettings};
use crate::telemetry::Telemetry;

/// The one setting that is taken while the service runs.
const LEVEL: &str = "log.level";

/// Where a running service's settings came from, to read them again.
pub(super) struct Reload {
    loader: Loader,
    /// What was read last.
    config: Config,
}

impl Reload {
    pub(super) const fn new(loader: Loader, config: Config) -> Self {
        Self { loader, config }
    }

    /// Reads the settings again, takes the levels of the log, and says what else has changed since they were read last.
    /// A secret that has changed looks as it did.
    pub(super) fn again(&mut self, telemetry: &Telemetry) {
        let config = match self.loader.load() {
            Ok(config) => config,
            Err(errors) => {
                tracing::error!(%errors, "the configuration is read again and wrong: nothing changes");
                return;
            }
        };
        let level = config.get::<LogSettings>().unwrap_or_default().level;
        if let Some(levels) = telemetry.log_levels()
            && let Err(wrong) = levels.configure(&level, "SIGHUP")
        {
            tracing::error!(wrong, "the configuration is read again and wrong: nothing changes");
            return;
        }
        let others = changed(&self.config, &config);
        if others.is_empty() {
            tracing::info!("the configuration is read again");
        } else {
            let settings = others.join(", ");
            tracing::warn!(
                settings,
                "the configuration is read again; these settings hold from the next start"
            );
        }
        self.config = config;
    }
}

/// The settings that are not what they were, less the levels of the log.
fn changed(before: &Config, now: &Config) -> Vec<String> {
    let same =
        |entry: &Entry| before.entries().iter().any(|was| was.key == entry.key && was.value == entry.value);
    // A key of a map may have gone.
    let gone = before.entries().iter().filter(|was| now.entries().iter().all(|entry| entry.key != was.key));
    let entries = now.entries().iter().filter(|entry| entry.key != LEVEL && !same(entry));
    entries.chain(gone).map(|entry| entry.key.clone()).collect()
}
