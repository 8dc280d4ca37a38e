use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::key::KeyId;

/// The keys of this process whose requests are being carried out.
#[derive(Clone, Default)]
pub(super) struct InFlight(Arc<Mutex<HashSet<KeyId>>>);

/// Keeps others from a key until it is dropped.
pub(super) struct Claim {
    keys: InFlight,
    id: KeyId,
}

impl InFlight {
    /// The key, unless somebody has it.
    pub(super) fn claim(&self, id: KeyId) -> Option<Claim> {
        self.0.lock().insert(id).then(|| Claim { keys: self.clone(), id })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.keys.0.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_holder_at_a_time() {
        let keys = InFlight::default();
        let (one, other) = (KeyId::of(&["one"]), KeyId::of(&["other"]));
        let claim = keys.claim(one);
        assert!(claim.is_some() && keys.claim(one).is_none() && keys.claim(other).is_some());
        drop(claim);
        assert!(keys.claim(one).is_some());
        assert!(keys.0.lock().is_empty());
    }
}
