use crate::testing::contract::Event;

pub(super) const EVENTS: &[Event] = &[
    Event::new("exception", "An error or a panic, with its causes in the message.")
        .has(&["exception.message"])
        .may_have(&["exception.type", "spanbox.problem.detail"]),
    Event::new("spanbox.client.breaker.opened", "The upstream has failed too often and is left alone.")
        .has(&["spanbox.client.upstream"]),
    Event::new("spanbox.client.breaker.closed", "The upstream is back.").has(&["spanbox.client.upstream"]),
    Event::new("db.slow_statement", "The statement took longer than `telemetry.database.slow_statement`.")
        .has(&["spanbox.db.threshold", "spanbox.db.duration"]),
    Event::new(
        "db.n_plus_one",
        "One place in the code repeated a statement as often as `telemetry.database.n_plus_one` says, or oftener: it \
         should ask for all rows at once.",
    )
    .has(&["spanbox.db.statements", "db.query.summary", "code.file.path", "code.line.number"]),
];
