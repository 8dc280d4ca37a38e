//! What is known of an attribute by its name.

/// How an attribute of a name is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// The framework records it, and its value is fixed in code, such as a route or the name of a queue: there is nothing to
    /// find in it, however often it is looked at.
    Fixed,
    /// Many spans share its text, as the runs of a statement do.
    Shared,
    /// The framework records it for most requests, messages or statements.
    Frequent,
    /// Everything else.
    Other,
}

macro_rules! names {
    (fixed: $($fixed:literal)+; shared: $($shared:literal)+; frequent: $($frequent:literal)+;) => {
        pub(super) fn sort(name: &str) -> Sort {
            match name {
                $($fixed)|+ => Sort::Fixed,
                $($shared)|+ => Sort::Shared,
                $($frequent)|+ => Sort::Frequent,
                _ => Sort::Other,
            }
        }

        /// The names that are shared or frequent: whether one of them hides its value is found out once.
        pub(super) const OFTEN: &[&str] = &[$($shared,)+ $($frequent,)+];
    };
}

names! {
    fixed:
        "actor.message.outcome"
        "actor.message.type"
        "actor.type"
        "code.function.name"
        "db.collection.name"
        "db.operation.name"
        "db.system.name"
        "http.request.method"
        "http.route"
        "jobs.enqueue.outcome"
        "jobs.kind"
        "messaging.destination.name"
        "messaging.operation.name"
        "messaging.operation.type"
        "messaging.system"
        "network.protocol.version"
        "spanbox.module"
        "url.scheme";
    shared:
        "db.namespace"
        "db.query.summary"
        "db.query.text";
    frequent:
        "actor.mailbox.depth"
        "actor.name"
        "db.response.returned_rows"
        "http.response.status_code"
        "server.address"
        "server.port"
        "spanbox.request.id"
        "url.path"
        "user_agent.original";
}
