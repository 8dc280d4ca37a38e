use serde::Serialize;

/// What became of a message: the `actor.message.outcome` of spans and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The handler ran to its end.
    Handled,
    /// The handler, or the future that it answered with, panicked.
    Panic,
    /// The asker's deadline had passed when the message's turn came; it was not handled.
    Expired,
    /// The asker was gone when the message's turn came; it was not handled.
    Abandoned,
    /// The actor stopped with the message in its mailbox, or had stopped when it was sent.
    DeadLetter,
    /// The handler had begun, and its future was dropped: the actor stopped or restarted.
    Cancelled,
    /// The mailbox was full and the message never entered it.
    MailboxFull,
}

impl Outcome {
    pub(super) const ALL: [Self; 7] = [
        Self::Handled,
        Self::Panic,
        Self::Expired,
        Self::Abandoned,
        Self::DeadLetter,
        Self::Cancelled,
        Self::MailboxFull,
    ];

    /// The value of the attribute, e.g. `dead_letter`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Panic => "panic",
            Self::Expired => "expired",
            Self::Abandoned => "abandoned",
            Self::DeadLetter => "dead_letter",
            Self::Cancelled => "cancelled",
            Self::MailboxFull => "mailbox_full",
        }
    }

    /// The status description of a span that ends this way; `None` when all is well.
    pub(super) fn complaint(self) -> Option<&'static str> {
        match self {
            Self::Handled => None,
            Self::Panic => Some("the handler panicked"),
            Self::Expired => Some("the asker's deadline passed before the message was handled"),
            Self::Abandoned => Some("the asker was gone before the message was handled"),
            Self::DeadLetter => Some("the actor stopped before the message was handled"),
            Self::Cancelled => Some("the actor stopped or restarted before the answer was there"),
            Self::MailboxFull => Some("the mailbox was full"),
        }
    }
}
