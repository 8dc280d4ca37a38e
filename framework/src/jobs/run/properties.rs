//! What holds of what stands in a job's row or in an entry of a stream, whatever it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(feature = "redis")]
use super::stream::Entry;
use super::worker::{End, Failure, judge};
use crate::jobs::carried::Carried;
use crate::jobs::store::{Leased, Then};
use crate::redact::Redactor;

/// What nobody may read in an error.
const ADDRESS: &str = "ann@example.com";

#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Speed {
    Slow,
    Fast,
}

/// A payload of one of each.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Parcel {
    order: i64,
    to: String,
    speed: Speed,
    weight: Option<u32>,
    parts: Vec<String>,
}

/// As the payload of a job, and, with the feature `redis`, as an entry that holds one: read as it was written, or put aside.
pub fn job_payload(data: &[u8]) {
    if let Ok(payload) = std::str::from_utf8(data) {
        read_or_put_aside(payload);
    }
    #[cfg(feature = "redis")]
    read_again(data);
}

/// An entry that is read is the same when it is written and read again.
#[cfg(feature = "redis")]
fn read_again(data: &[u8]) {
    let entry =
        |text: Vec<u8>| Entry::read(("1764006388123-0".to_owned(), Some(vec![("jobs".to_owned(), text)])));
    let Entry { epoch, jobs, .. } = entry(data.to_vec());
    if jobs.is_empty() {
        return;
    }
    let Entry { epoch: again, jobs: read, .. } = entry(super::stream::encode(epoch, &jobs));
    assert_eq!((again, read.len()), (epoch, jobs.len()), "{jobs:?} can not be read again");
    for (read, job) in read.into_iter().zip(jobs) {
        assert!(read.waited >= job.waited && read.delayed == job.delayed);
        let same = Leased { waited: job.waited, ..read };
        assert_eq!(same, job);
    }
}

fn read_or_put_aside(payload: &str) {
    let error = match serde_json::from_str::<Parcel>(payload) {
        Ok(parcel) => {
            let written = serde_json::to_string(&parcel).unwrap_or_default();
            assert_eq!(
                serde_json::from_str::<Parcel>(&written).ok(),
                Some(parcel),
                "{written} is read again"
            );
            return;
        }
        Err(error) => error,
    };
    let (end, kind) = judge(Failure::Unreadable(error), &leased(payload), None);
    let End::Unfinished { then: Then::Park, error: Some(error) } = end.redacted(&Redactor::default()) else {
        panic!("{payload:?} is not put aside")
    };
    assert_eq!(kind, Some("unreadable"));
    assert!(error.starts_with("its payload does not parse: "), "{error}");
    assert!(!error.contains(ADDRESS), "{error}");
}

fn leased(payload: &str) -> Leased {
    Leased {
        id: 7,
        token: 1,
        queue: "parcels".to_owned(),
        kind: "parcel".to_owned(),
        payload: payload.to_owned(),
        priority: 5,
        attempt: 1,
        max_attempts: 3,
        crashes: 0,
        waited: Duration::ZERO,
        delayed: Duration::ZERO,
        carried: Carried::default(),
    }
}
