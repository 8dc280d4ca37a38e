use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use opentelemetry::{StringValue, Value};
use parking_lot::RwLock;

/// As many texts as a service has statements, and more. When there are as many, all are forgotten.
const MOST: usize = 1024;

/// What became of texts that many spans share, such as those of statements: each is looked at once.
///
/// They are told apart by where they are. An entry holds its text, so that nothing else can be there.
#[derive(Debug, Default)]
pub(super) struct Known {
    texts: RwLock<HashMap<(usize, usize), Entry, BuildHasherDefault<Mixed>>>,
}

/// Nobody chooses where a text is: its place needs no hash that withstands whoever does.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_usize((*byte).into()));
    }

    fn write_usize(&mut self, number: usize) {
        // The odd number nearest to 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, 6.4).
        self.0 = (self.0.rotate_left(32) ^ number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        // A table is chosen in by the lowest bits, which a product mixes least.
        self.0 ^ (self.0 >> 32)
    }
}

#[derive(Debug)]
struct Entry {
    _held: StringValue,
    changed: Option<Value>,
}

impl Known {
    /// What is to be in the place of `text`, which `look` finds out the first time.
    pub(super) fn changed(&self, text: &StringValue, look: impl FnOnce() -> Option<Value>) -> Option<Value> {
        let at = place(text);
        if let Some(entry) = self.texts.read().get(&at) {
            return entry.changed.clone();
        }
        let changed = look();
        let held = text.clone();
        // The copy of a text that is not shared is somewhere else.
        if place(&held) == at {
            let mut texts = self.texts.write();
            if texts.len() == MOST {
                texts.clear();
            }
            texts.insert(at, Entry { _held: held, changed: changed.clone() });
        }
        changed
    }
}

fn place(text: &StringValue) -> (usize, usize) {
    (text.as_str().as_ptr().addr(), text.as_str().len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_shared_text_is_looked_at_once_and_another_each_time() {
        let (known, mut looks) = (Known::default(), 0);
        let shared = StringValue::from(Arc::<str>::from("SELECT 'ann.lee@example.com'"));
        for _ in 0..3 {
            let mut look = || {
                looks += 1;
                Some(Value::from("SELECT ?"))
            };
            assert_eq!(known.changed(&shared.clone(), &mut look), Some(Value::from("SELECT ?")));
        }
        assert_eq!(looks, 1);
        for _ in 0..3 {
            let owned = StringValue::from("SELECT 1".to_owned());
            assert_eq!(known.changed(&owned, || None), None);
        }
        assert_eq!(known.texts.read().len(), 1);
    }

    /// Texts that come and go, often to where another has been.
    #[test]
    fn no_text_is_taken_for_another() {
        let known = Known::default();
        for n in 0..2 * MOST {
            let text = StringValue::from(Arc::<str>::from(format!("{n:08}")));
            let expected = Value::from(format!("{n} changed"));
            assert_eq!(known.changed(&text, || Some(expected.clone())), Some(expected.clone()));
            drop(text);
            let owned = StringValue::from(format!("{n:08}"));
            assert_eq!(known.changed(&owned, || None), None, "{n}");
        }
        assert!(known.texts.read().len() <= MOST);
    }
}
