//! Rows as they are stored, to be held against what they should be.

use diesel::sql_types::{Bool, Nullable, Text};

use super::*;

pub(super) const MINUTE: i64 = 60_000_000;

/// A time that the database takes from its clock: about what is expected until it was read, and then exactly that.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    About(i64),
    Exactly(i64),
}

impl At {
    pub(super) fn micros(self) -> i64 {
        let (Self::About(micros) | Self::Exactly(micros)) = self;
        micros
    }

    pub(super) fn read(&mut self, micros: i64) -> bool {
        let fits = match *self {
            Self::About(expected) => expected.abs_diff(micros) < MINUTE.unsigned_abs(),
            Self::Exactly(expected) => expected == micros,
        };
        *self = Self::Exactly(micros);
        fits
    }
}

pub(super) fn read(expected: &mut Option<At>, stored: Option<i64>) -> bool {
    match (expected, stored) {
        (Some(expected), Some(stored)) => expected.read(stored),
        (None, None) => true,
        _ => false,
    }
}

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
pub(super) struct Row {
    #[diesel(sql_type = BigInt)]
    pub(super) id: i64,
    #[diesel(sql_type = Text)]
    pub(super) payload: String,
    #[diesel(sql_type = Text)]
    pub(super) state: String,
    #[diesel(sql_type = BigInt)]
    pub(super) priority: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) run_at: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) attempt: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) max_attempts: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) crashes: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) token: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) lease_until: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) worker: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) unique_key: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(super) unique_until: i64,
    #[diesel(sql_type = Bool)]
    pub(super) unique_held: bool,
    #[diesel(sql_type = Bool)]
    pub(super) cancel_requested: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(super) finished_at: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    error: Option<String>,
}

impl Row {
    pub(super) fn state(&self) -> State {
        self.state.parse().unwrap()
    }
}
