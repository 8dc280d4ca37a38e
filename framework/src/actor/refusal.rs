use actix::dev::SendError;
use opentelemetry::{Context, KeyValue, Value};

use super::desk::{MESSAGE, OUTCOME, refusal_span};
use super::label::short_name;
use super::outcome::Outcome;
use super::stamp::Stamp;
use crate::telemetry::Telemetry;

/// Records the refusal of a message, if it was refused.
pub(super) fn note<M>(actor: Option<&'static str>, sent: &Result<(), SendError<M>>) {
    match sent {
        Ok(()) => {}
        Err(SendError::Full(_)) => refuse::<M>(actor, Outcome::MailboxFull),
        Err(SendError::Closed(_)) => refuse::<M>(actor, Outcome::DeadLetter),
    }
}

/// Counts a message that a full or a closed mailbox turned away, and says so in the sender's trace.
///
/// It never reached anything of the receiver's, so it is the sender's telemetry that is told.
pub(super) fn refuse<M>(actor: Option<&'static str>, outcome: Outcome) {
    let Some(telemetry) = Telemetry::current() else { return };
    let message = short_name::<M>();
    if let Some(meter) = telemetry.meter() {
        let rejected = meter
            .u64_counter("actor.mailbox.rejected")
            .with_unit("{message}")
            .with_description("Messages that a full or a closed mailbox refused.")
            .build();
        let attributes = [
            KeyValue::new("actor.type", actor.unwrap_or("unknown")),
            KeyValue::new(MESSAGE, message),
            KeyValue::new(OUTCOME, outcome.as_str()),
        ];
        rejected.add(1, &attributes);
    }
    let Some(tracer) = telemetry.tracer() else { return };
    let cx = Context::current();
    let span = actor.map_or_else(|| message.to_owned(), |actor| format!("{actor} {message}"));
    let actor = Value::from(actor.unwrap_or("unknown"));
    refusal_span(tracer, &cx, &span, &actor, message, outcome, Stamp::now());
}
