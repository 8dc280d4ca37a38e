//! What decides how a random history goes, and what is told of one that failed.

/// The number in a variable of the environment, if it is set.
pub(super) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// A small generator, so that a seed tells everything.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    pub(super) fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())].clone()) }
    }
}

/// Tells what happened up to a failure.
pub(super) struct Trail {
    pub(super) seed: u64,
    pub(super) steps: Vec<String>,
}

impl Drop for Trail {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let steps = self.steps.len();
            println!("HISTORY_SEED={} failed at its step {steps}:\n{}", self.seed, self.steps.join("\n"));
        }
    }
}
