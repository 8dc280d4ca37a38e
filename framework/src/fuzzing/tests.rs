//! The same properties without a fuzzer: of the seeds, and of what comes of them by a few changes.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// A change at a place, which is taken modulo the length.
#[derive(Clone, Debug)]
enum Change {
    Put(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Repeat(usize),
}

impl Change {
    fn of(&self, mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
        let at = at % (bytes.len() + 1);
        let end = |length: &usize| (at + length).min(bytes.len());
        match self {
            Self::Put(byte) if at < bytes.len() => bytes[at] = *byte,
            Self::Put(byte) => bytes.push(*byte),
            Self::Insert(more) => drop(bytes.splice(at..at, more.iter().copied())),
            Self::Remove(length) => drop(bytes.drain(at..end(length))),
            Self::Repeat(length) => bytes.extend_from_within(at..end(length)),
        }
        bytes
    }
}

fn any_change() -> impl Strategy<Value = Change> {
    let sign = prop::sample::select(&b"\0\n\t \"'%&*+,-./019:;<=>@AZ\\_az{}~\x7f\xc3\xff"[..]);
    prop_oneof![
        4 => sign.prop_map(Change::Put),
        1 => any::<u8>().prop_map(Change::Put),
        2 => prop::collection::vec(any::<u8>(), 1..6).prop_map(Change::Insert),
        2 => "[ -~]{1,8}".prop_map(|text| Change::Insert(text.into_bytes())),
        2 => (1..12_usize).prop_map(Change::Remove),
        1 => (1..24_usize).prop_map(Change::Repeat),
    ]
}

/// Holds the property against the seeds of a target, and against changed ones.
fn holds(target: &str, property: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(seeds.len() >= 3, "{target} has few seeds");
    for seed in &seeds {
        property(seed);
    }
    let changes = prop::collection::vec((any::<usize>(), any_change()), 1..8);
    let input = (prop::sample::select(seeds), changes).prop_map(|(seed, changes)| {
        changes.into_iter().fold(seed, |bytes, (at, change)| change.of(bytes, at))
    });
    TestRunner::default()
        .run(&input, |bytes| {
            property(&bytes);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{target}: {error}"));
}

macro_rules! hold {
    ($($(#[$attribute:meta])* $target:ident),+ $(,)?) => {
        $($(#[$attribute])* #[test] fn $target() { holds(stringify!($target), super::$target); })+
    };
}

hold!(
    #[cfg(feature = "auth")]
    access_token,
    cron,
    idempotency_key,
    job_payload,
    redactor,
    trace_headers,
);
