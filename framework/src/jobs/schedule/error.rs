/// Why a schedule can not be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// The expression does not parse.
    #[error(
        "{expression:?} is no cron expression: {reason} (write `minute hour day-of-month month day-of-week`, with or \
         without a second before them)"
    )]
    Expression {
        /// As it was given.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expression parses and has no time in any year.
    #[error("{expression:?} never comes: no year has such a day")]
    NeverDue {
        /// As it was given.
        expression: String,
    },
    /// There is no such time zone.
    #[error(
        "there is no time zone {timezone:?}{}: use a name of the IANA database, such as `Europe/Berlin`",
        .suggestion.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
    )]
    TimeZone {
        /// As it was given.
        timezone: String,
        /// What it was probably meant to be.
        suggestion: Option<&'static str>,
    },
}
