use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};

use super::outage::{LateDispatch, with};

/// How long a line is counted.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// What says how many were held back; it is never held back itself.
const TARGET: &str = "spanbox::telemetry::repeats";

/// Room for the places in the code that log. A power of two.
const PLACES: usize = 1024;

/// How many places are tried for one that is taken. Where all are, nothing is held back.
const TRIES: usize = 8;

/// Holds back the warnings and errors that one place in the code logs again and again: more than so many lines within a
/// window. Once a window says how many they were.
#[derive(Debug)]
pub(super) struct Repeats {
    most: u64,
    window: Duration,
    began: Instant,
    places: Box<[Place]>,
    logs: Arc<LateDispatch>,
    /// Whether a thread waits for the window's end.
    watched: AtomicBool,
}

/// What is known of one place in the code.
#[derive(Debug, Default)]
struct Place {
    metadata: OnceLock<&'static Metadata<'static>>,
    /// The number of the window in the upper half, and in the lower what was logged in it.
    seen: AtomicU64,
    held: AtomicU64,
}

impl Repeats {
    pub(super) fn new(most: u32, window: Duration, logs: Arc<LateDispatch>) -> Arc<Self> {
        let places = std::iter::repeat_with(Place::default).take(PLACES).collect();
        let watched = AtomicBool::new(false);
        Arc::new(Self { most: most.into(), window, began: Instant::now(), places, logs, watched })
    }

    /// Whether the line is to be logged.
    pub(super) fn let_through(self: &Arc<Self>, metadata: &'static Metadata<'static>) -> bool {
        // What is no trouble may be what a service is there for.
        if *metadata.level() > Level::WARN || metadata.target() == TARGET {
            return true;
        }
        let Some(place) = self.place(metadata) else { return true };
        let window = (self.began.elapsed().as_millis() / self.window.as_millis().max(1)) as u64;
        let next =
            |seen: u64| if seen >> 32 == window & u64::from(u32::MAX) { seen + 1 } else { window << 32 | 1 };
        let seen = place.seen.fetch_update(Relaxed, Relaxed, |seen| Some(next(seen))).map_or(0, next);
        if seen & u64::from(u32::MAX) <= self.most {
            return true;
        }
        place.held.fetch_add(1, SeqCst);
        if !self.watched.load(SeqCst) && !self.watched.swap(true, SeqCst) {
            self.watch();
        }
        false
    }

    /// The place of what has this metadata, which is one in the whole process.
    fn place(&self, metadata: &'static Metadata<'static>) -> Option<&Place> {
        // Statics lie some way apart.
        let first = std::ptr::from_ref(metadata).addr() >> 4;
        let tried = (0..TRIES).filter_map(|at| self.places.get((first.wrapping_add(at)) & (PLACES - 1)));
        tried.into_iter().find(|place| std::ptr::eq(*place.metadata.get_or_init(|| metadata), metadata))
    }

    /// Says at the end of the window what was held back in it, and so on until a window without.
    fn watch(self: &Arc<Self>) {
        let repeats = Arc::downgrade(self);
        let window = self.window;
        let thread = std::thread::Builder::new().name("spanbox-repeats".to_owned()).spawn(move || {
            loop {
                std::thread::sleep(window);
                let Some(repeats) = Weak::upgrade(&repeats) else { return };
                if !repeats.tell() {
                    repeats.watched.store(false, SeqCst);
                    // Of what was held back meanwhile, nobody else would tell.
                    repeats.tell();
                    return;
                }
            }
        });
        // Then the next line that is held back tries again.
        if thread.is_err() {
            self.watched.store(false, SeqCst);
        }
    }

    /// Logs what was held back since the last time, and whether anything was.
    pub(super) fn tell(&self) -> bool {
        let mut told = false;
        for place in &self.places {
            let Some(metadata) = place.metadata.get() else { continue };
            let held = place.held.swap(0, SeqCst);
            if held > 0 {
                told = true;
                with(&self.logs, || tell(metadata, held));
            }
        }
        told
    }
}

/// On the level of what was held back, so that it is seen where that is.
fn tell(metadata: &Metadata<'_>, held: u64) {
    let (of, at) = (metadata.target(), metadata.file().unwrap_or_default());
    let line = metadata.line().unwrap_or_default();
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(target: TARGET, held, of, at = %format_args!("{at}:{line}"), "repeated lines were held back")
        };
    }
    if *metadata.level() == Level::ERROR {
        tell!(error);
    } else {
        tell!(warn);
    }
}
