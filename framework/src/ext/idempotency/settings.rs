use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Section;

/// `[idempotency]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdempotencySettings {
    /// How long an answer is kept, and a key stands for its request. Default 24 h; 1 min to 30 days.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for IdempotencySettings {
    fn default() -> Self {
        Self { keep: Duration::from_secs(24 * 3600) }
    }
}

impl Section for IdempotencySettings {
    const NAME: &'static str = "idempotency";

    fn check(&self, _production: bool) -> Vec<(&'static str, String)> {
        let (least, most) = (Duration::from_secs(60), Duration::from_secs(30 * 24 * 3600));
        if (least..=most).contains(&self.keep) {
            return Vec::new();
        }
        vec![("keep", "must be 1m to 30days: clients send again within hours".to_owned())]
    }
}
