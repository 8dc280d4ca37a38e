//! What tests of a service need.

mod receiver;

pub use receiver::{OtlpReceiver, ReceivedEvent, ReceivedLog, ReceivedSpan, ReceiverMode};
