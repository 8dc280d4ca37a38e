use crate::testing::contract::{Span, SpanKind};

pub(super) const SPANS: &[Span] = &[
    // The web layer.
    Span::new(SpanKind::Server, "{method} {route}", "A request, from its head to its answer.")
        .has(&["http.request.method", "http.route", "url.path", "url.scheme"])
        .may_have(REQUEST)
        .events(&["exception", "db.n_plus_one"])
        .links(CALLER),
    Span::new(SpanKind::Server, "{method}", "A request that no route answers, `HTTP` for an unknown method.")
        .has(&["http.request.method", "url.path", "url.scheme"])
        .may_have(REQUEST)
        .events(&["exception"])
        .links(CALLER),
    // Requests to others.
    Span::new(
        SpanKind::Client,
        "{verb} {template}",
        "An attempt of a request to others, to the end of its answer.",
    )
    .has(&["http.request.method", "server.address", "server.port", "url.full", "url.template"])
    .may_have(ATTEMPT)
    .events(&["spanbox.client.breaker.opened", "spanbox.client.breaker.closed"]),
    Span::new(SpanKind::Client, "{verb}", "The same where the code gives no template.")
        .has(&["http.request.method", "server.address", "server.port", "url.full"])
        .may_have(ATTEMPT)
        .events(&["spanbox.client.breaker.opened", "spanbox.client.breaker.closed"]),
    Span::new(SpanKind::Internal, "http.client.retry.wait", "A wait before a request is sent again."),
    // Pages.
    Span::new(SpanKind::Internal, "template.render", "A page is rendered.")
        .has(&["template.name"])
        .events(&["exception"]),
    // Passwords.
    Span::new(SpanKind::Internal, "auth.password.hash", "A password is hashed, with the wait for its turn."),
    Span::new(
        SpanKind::Internal,
        "auth.password.verify",
        "A password is compared with its hash, or with that of nobody, with the wait for its turn.",
    ),
    Span::new(SpanKind::Internal, "web.stream", "What goes on after the head of an answer, to its end.")
        .has(&["spanbox.stream.protocol", "spanbox.stream.events", "spanbox.stream.end"])
        .may_have(&["spanbox.kept"]),
    // Databases.
    Span::new(SpanKind::Client, "{summary}", "A statement, named by its `db.query.summary`.")
        .has(&["db.system.name", "db.query.summary", "db.query.text"])
        .may_have(&[
            "db.namespace",
            "db.operation.name",
            "db.collection.name",
            "server.address",
            "server.port",
            "db.response.returned_rows",
            "db.response.status_code",
            "error.type",
        ])
        .events(&["db.slow_statement"]),
    Span::new(SpanKind::Client, "{command}", "A command to Redis.")
        .has(&["db.system.name", "db.namespace", "db.operation.name", "server.address"])
        .may_have(&["server.port", "db.operation.batch.size", "error.type"]),
    Span::new(SpanKind::Internal, "db.pool.wait", "A wait for a connection of a millisecond or more.")
        .has(&["db.system.name", "db.client.connection.pool.name"])
        .may_have(&["db.namespace", "server.address", "server.port"]),
    // Jobs.
    Span::new(SpanKind::Producer, "send {queue}", "Jobs are enqueued, until the end of the unit of work.")
        .has(&[
            "messaging.system",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.destination.name",
            "jobs.kind",
            "jobs.enqueue.outcome",
        ])
        .may_have(&["messaging.batch.message_count"]),
    Span::new(SpanKind::Consumer, "process {queue}", "One run of a job.")
        .has(&[
            "messaging.system",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.destination.name",
            "messaging.message.id",
            "jobs.kind",
            "jobs.attempt",
        ])
        .may_have(&["error.type", "spanbox.kept"])
        .events(&["db.n_plus_one"])
        .links("what enqueued it, where its policy or a retry makes it a trace of its own"),
    Span::new(SpanKind::Internal, "jobs.queue.wait", "From when a job was due until a worker had it.")
        .has(&["messaging.destination.name"]),
    Span::new(SpanKind::Client, "settle {queue}", "What became of runs is written down, in batches.")
        .has(&[
            "messaging.system",
            "messaging.operation.name",
            "messaging.operation.type",
            "messaging.destination.name",
            "messaging.batch.message_count",
        ])
        .may_have(&["spanbox.kept"])
        .links("the runs, at most 128"),
    Span::new(SpanKind::Internal, "jobs.schedule.tick", "A schedule is due and its job is enqueued.")
        .has(&["jobs.schedule.name", "jobs.schedule.time", "jobs.kind"])
        .may_have(&["spanbox.kept"]),
    // Actors.
    Span::new(
        SpanKind::Internal,
        "{Actor} {Message}",
        "A message, from the start of its handler to its answer.",
    )
    .has(&["actor.name", "actor.message.type", "actor.message.outcome"])
    .may_have(&["actor.mailbox.depth", "error.type", "spanbox.kept"])
    .events(&["exception", "db.n_plus_one"])
    .links("the sender, when the chain of tells was too deep or too old"),
    Span::new(SpanKind::Internal, "{Message}", "A message to a recipient whose mailbox was full or closed.")
        .has(&["actor.name", "actor.message.type", "actor.message.outcome", "error.type"])
        .may_have(&["spanbox.kept"]),
    Span::new(SpanKind::Internal, "actor.mailbox.wait", "What a message waited in the mailbox.")
        .has(&["actor.name"]),
    Span::new(SpanKind::Internal, "{Actor} run_later", "A timer of an actor.")
        .has(&["actor.name"])
        .may_have(&["error.type", "spanbox.kept"])
        .events(&["exception", "db.n_plus_one"])
        .links(SETTER),
    Span::new(SpanKind::Internal, "{Actor} run_interval", "One run of an interval of an actor.")
        .has(&["actor.name"])
        .may_have(&["error.type", "spanbox.kept"])
        .events(&["exception", "db.n_plus_one"])
        .links(SETTER),
    Span::new(SpanKind::Internal, "{Actor} {Item}", "An item of a stream of an actor.")
        .has(&["actor.name"])
        .may_have(&["error.type", "spanbox.kept"])
        .events(&["exception", "db.n_plus_one"])
        .links(SETTER),
    Span::new(
        SpanKind::Internal,
        "{Actor} panic",
        "A panic in what a handler spawned and whose span has ended.",
    )
    .has(&["actor.name", "error.type"])
    .events(&["exception"]),
    // The user's functions.
    Span::new(SpanKind::Internal, "{function}", "A call of a function with `#[spanbox::traced]`.")
        .has(&["code.function.name"])
        .may_have(&["error.type", "spanbox.kept"])
        .events(&["exception", "db.n_plus_one"]),
    // Start and stop.
    Span::new(SpanKind::Internal, "service.start", "The start of the service.").may_have(&["spanbox.kept"]),
    Span::new(SpanKind::Internal, "doctor.export", "What `doctor` sends to see whether it arrives."),
    Span::new(SpanKind::Internal, "extension.install", "An extension is installed.").has(&["extension.name"]),
    Span::new(SpanKind::Internal, "service.stop", "The stop of the service, all phases.")
        .may_have(&["spanbox.kept"]),
    Span::new(SpanKind::Internal, "service.stop.requests", "Requests under way are answered.")
        .has(&["spanbox.stop.finished", "spanbox.stop.abandoned"]),
    Span::new(SpanKind::Internal, "service.stop.jobs", "Runs under way end, or are given back.")
        .has(&["spanbox.stop.finished", "spanbox.stop.given_back"]),
    Span::new(SpanKind::Internal, "service.stop.mailboxes", "Messages are handled and actors stopped.")
        .has(&["spanbox.stop.finished", "spanbox.stop.abandoned"]),
    Span::new(SpanKind::Internal, "service.stop.hooks", "Stop hooks and extensions end.")
        .has(&["spanbox.stop.failed"]),
    Span::new(SpanKind::Internal, "service.stop.hook", "One of them.").has(&["spanbox.name"]),
    Span::new(SpanKind::Internal, "service.stop.database", "Units of work end and connections are closed.")
        .has(&["spanbox.stop.abandoned"]),
];

/// What a request's span has besides.
const REQUEST: &[&str] = &[
    "spanbox.module",
    "network.protocol.version",
    "server.address",
    "server.port",
    "user_agent.original",
    "http.auth.present",
    "enduser.pseudo.id",
    "enduser.id",
    "http.request.header.{name}",
    "http.response.header.{name}",
    "http.response.status_code",
    "error.type",
    "spanbox.request.id",
    "spanbox.limit.rule",
    "spanbox.kept",
];

/// What the span of an attempt has besides.
const ATTEMPT: &[&str] = &[
    "http.response.status_code",
    "http.request.resend_count",
    "network.protocol.version",
    "spanbox.client.upstream",
    "spanbox.client.breaker.state",
    "error.type",
];

const CALLER: &str = "the caller's span, where `telemetry.trust` does not include the caller";

const SETTER: &str = "what set it up";
