use crate::testing::contract::Instrument::{Counter, Gauge, Histogram, UpDownCounter};
use crate::testing::contract::Metric;

pub(super) const METRICS: &[Metric] = &[
    // The web layer.
    Metric::new(Histogram, "s", "http.server.request.duration", "Requests, from head to answer.")
        .has(&["http.request.method", "url.scheme"])
        .may_have(&["http.route", "spanbox.module", "http.response.status_code", "error.type"]),
    Metric::new(UpDownCounter, "{request}", "http.server.active_requests", "Requests under way.")
        .has(&["http.request.method", "url.scheme"]),
    Metric::new(UpDownCounter, "{stream}", "spanbox.web.streams", "Answers that go on after their head.")
        .has(&["spanbox.stream.protocol"]),
    Metric::new(
        Histogram,
        "By",
        "http.server.request.body.size",
        "Bodies of requests, where they are measured.",
    )
    .has(&["http.request.method", "url.scheme"])
    .may_have(&["http.route", "spanbox.module", "http.response.status_code", "error.type"]),
    Metric::new(
        Histogram,
        "By",
        "http.server.response.body.size",
        "Bodies of answers, where they are measured.",
    )
    .has(&["http.request.method", "url.scheme"])
    .may_have(&["http.route", "spanbox.module", "http.response.status_code", "error.type"]),
    // Requests to others.
    Metric::new(Histogram, "s", "http.client.request.duration", "Attempts of requests to others.")
        .has(&["http.request.method", "url.scheme"])
        .may_have(&[
            "server.address",
            "server.port",
            "url.template",
            "http.response.status_code",
            "network.protocol.version",
            "error.type",
        ]),
    Metric::new(UpDownCounter, "{request}", "http.client.active_requests", "Such attempts under way.")
        .has(&["http.request.method", "url.scheme"])
        .may_have(&["server.address", "server.port"]),
    Metric::new(
        Gauge,
        "1",
        "spanbox.client.breaker",
        "1 for the state that the breaker of an upstream is in, 0 for the others.",
    )
    .has(&["spanbox.client.upstream", "spanbox.client.breaker.state"]),
    Metric::new(Counter, "{request}", "spanbox.limit.refused", "Requests that were too many.")
        .has(&["spanbox.limit.rule"]),
    Metric::new(
        Counter,
        "{request}",
        "spanbox.limit.alone",
        "Requests counted here, as Redis did not answer.",
    ),
    Metric::new(Gauge, "{client}", "spanbox.limit.clients", "Clients whose requests this process counts.")
        .has(&["spanbox.limit.rule"]),
    Metric::new(Counter, "{request}", "spanbox.shed.requests", "Requests refused because of overload.")
        .has(&["spanbox.shed.reason"]),
    Metric::new(Gauge, "{service}", "spanbox.shed.active", "1 while this service refuses requests, else 0."),
    // Databases.
    Metric::new(Histogram, "s", "db.client.operation.duration", "Statements and commands.")
        .has(&["db.system.name"])
        .may_have(&[
            "db.namespace",
            "db.operation.name",
            "db.collection.name",
            "db.query.summary",
            "server.address",
            "server.port",
            "db.response.status_code",
            "error.type",
        ]),
    Metric::new(Counter, "{statement}", "spanbox.db.slow_statements", "Statements that were slow.")
        .has(STATEMENT)
        .may_have(OF_STATEMENT),
    Metric::new(Counter, "{occurrence}", "spanbox.db.n_plus_one", "Operations that repeated a statement.")
        .has(STATEMENT)
        .may_have(OF_STATEMENT),
    Metric::new(UpDownCounter, "{connection}", "db.client.connection.count", "Connections that are there.")
        .has(&["db.system.name", "db.client.connection.pool.name", "db.client.connection.state"])
        .may_have(SERVER),
    Metric::new(UpDownCounter, "{connection}", "db.client.connection.max", "Connections at most.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(UpDownCounter, "{connection}", "db.client.connection.idle.max", "Idle connections at most.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(UpDownCounter, "{connection}", "db.client.connection.idle.min", "Idle connections at least.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(UpDownCounter, "{request}", "db.client.connection.pending_requests", "Who waits for one.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(Counter, "{timeout}", "db.client.connection.timeouts", "Waits that took too long.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(Histogram, "s", "db.client.connection.create_time", "Making a connection.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(Histogram, "s", "db.client.connection.wait_time", "Waiting for a connection.")
        .has(POOL)
        .may_have(SERVER),
    Metric::new(Histogram, "s", "db.client.connection.use_time", "Using a connection.")
        .has(POOL)
        .may_have(SERVER),
    // The cache.
    Metric::new(Counter, "{lookup}", "spanbox.cache.lookups", "Values that were asked for.")
        .has(&["spanbox.cache.namespace", "spanbox.cache.outcome"]),
    Metric::new(Counter, "{failure}", "spanbox.cache.failures", "What a cache could not do.")
        .has(&["error.type"]),
    // Jobs.
    Metric::new(Histogram, "s", "messaging.process.duration", "Runs of jobs.")
        .has(&["messaging.system", "messaging.operation.name", "messaging.destination.name", "jobs.kind"])
        .may_have(&["error.type"]),
    Metric::new(Histogram, "s", "jobs.pickup.duration", "From when a job was due until a worker had it.")
        .has(QUEUE),
    Metric::new(Gauge, "{job}", "jobs.queue.depth", "Jobs that are due and wait, counted up to a limit.")
        .has(QUEUE),
    Metric::new(Gauge, "s", "jobs.queue.oldest.age", "For how long the oldest job that is due has been.")
        .has(QUEUE),
    Metric::new(Counter, "{job}", "jobs.retried", "Jobs that failed and are due again.").has(QUEUE),
    Metric::new(Counter, "{job}", "jobs.dead", "Jobs that became dead letters.").has(QUEUE),
    Metric::new(Counter, "{job}", "jobs.parked", "Jobs that no worker could make anything of.").has(QUEUE),
    Metric::new(Counter, "{job}", "jobs.leases.lost", "Leases that ran out while the job ran.").has(QUEUE),
    Metric::new(Counter, "{job}", "jobs.rescued", "Jobs that were taken from a worker that is thought dead.")
        .has(QUEUE),
    Metric::new(Counter, "{tick}", "jobs.schedule.ticks", "Ticks whose jobs were enqueued.")
        .has(&["jobs.schedule.name"]),
    // Actors.
    Metric::new(Counter, "{message}", "actor.messages", "Messages that came to an end.").has(&[
        "actor.name",
        "actor.type",
        "actor.message.outcome",
    ]),
    Metric::new(Counter, "{message}", "actor.mailbox.rejected", "Messages that a mailbox refused.").has(&[
        "actor.type",
        "actor.message.type",
        "actor.message.outcome",
    ]),
    Metric::new(Gauge, "{message}", "actor.mailbox.depth", "Messages that the last one found before it.")
        .has(ACTOR),
    Metric::new(Histogram, "s", "actor.mailbox.wait.duration", "Waiting in a mailbox.").has(&["actor.name"]),
    Metric::new(Histogram, "s", "actor.message.process.duration", "Handling a message.")
        .has(&["actor.name", "actor.message.type"]),
    Metric::new(Counter, "{restart}", "actor.restarts", "Actors built anew after a panic.").has(ACTOR),
    Metric::new(UpDownCounter, "{actor}", "actor.active", "Actors that live.").has(ACTOR),
    // Traces that are kept though they are not sampled.
    Metric::new(UpDownCounter, "By", "spanbox.keep.held", "Spans whose traces are undecided."),
    Metric::new(Counter, "{trace}", "spanbox.keep.traces", "Traces that were kept.").has(&["spanbox.kept"]),
    Metric::new(Counter, "{span}", "spanbox.keep.dropped", "Spans thrown away before it was known.")
        .has(&["spanbox.keep.limit"]),
    // The process and its runtimes.
    Metric::new(Counter, "s", "process.cpu.time", "Processor time used.").has(&["cpu.mode"]),
    Metric::new(Gauge, "1", "process.cpu.utilization", "Share of the processors used since the last time.")
        .has(&["cpu.mode"]),
    Metric::new(UpDownCounter, "By", "process.memory.usage", "Memory in use."),
    Metric::new(UpDownCounter, "By", "process.memory.virtual", "Memory reserved."),
    Metric::new(UpDownCounter, "{thread}", "process.thread.count", "Threads."),
    Metric::new(UpDownCounter, "{file_descriptor}", "process.unix.file_descriptor.count", "Open files."),
    Metric::new(Gauge, "s", "process.uptime", "How long the process has been running."),
    Metric::new(Gauge, "", "spanbox.build.info", "Always 1: what the program was built of.")
        .has(&["spanbox.version", "spanbox.build.profile"])
        .may_have(&["process.runtime.version"]),
    Metric::new(Counter, "s", "spanbox.runtime.busy.time", "How long the threads of the runtimes were busy."),
    Metric::new(UpDownCounter, "{thread}", "spanbox.runtime.threads", "Threads of the runtimes."),
    // The telemetry itself, where it is exported.
    Metric::new(Counter, "{span}", "otel.sdk.span.started", "Spans that began and are recorded.")
        .has(&["otel.span.parent.origin", "otel.span.sampling_result"]),
    Metric::new(
        Counter,
        "{span}",
        "otel.sdk.processor.span.processed",
        "Spans that left the queue, or found it full.",
    )
    .has(COMPONENT)
    .may_have(&["error.type"]),
    Metric::new(UpDownCounter, "{span}", "otel.sdk.processor.span.queue.size", "Spans in the queue.")
        .has(COMPONENT),
    Metric::new(UpDownCounter, "{span}", "otel.sdk.processor.span.queue.capacity", "Spans in it at most.")
        .has(COMPONENT),
    Metric::new(Counter, "{span}", "otel.sdk.exporter.span.exported", "Spans in exports that ended.")
        .has(COMPONENT)
        .may_have(&["error.type"]),
    Metric::new(UpDownCounter, "{span}", "otel.sdk.exporter.span.inflight", "Spans in exports under way.")
        .has(COMPONENT),
    Metric::new(
        Counter,
        "{log_record}",
        "otel.sdk.processor.log.processed",
        "Records that left the queue, or found it full.",
    )
    .has(COMPONENT)
    .may_have(&["error.type"]),
    Metric::new(UpDownCounter, "{log_record}", "otel.sdk.processor.log.queue.size", "Records in the queue.")
        .has(COMPONENT),
    Metric::new(
        UpDownCounter,
        "{log_record}",
        "otel.sdk.processor.log.queue.capacity",
        "Records in it at most.",
    )
    .has(COMPONENT),
    Metric::new(Counter, "{log_record}", "otel.sdk.exporter.log.exported", "Records in exports that ended.")
        .has(COMPONENT)
        .may_have(&["error.type"]),
    Metric::new(
        UpDownCounter,
        "{log_record}",
        "otel.sdk.exporter.log.inflight",
        "Records in exports under way.",
    )
    .has(COMPONENT),
    Metric::new(
        Counter,
        "{data_point}",
        "otel.sdk.exporter.metric_data_point.exported",
        "Points in exports that ended.",
    )
    .has(COMPONENT)
    .may_have(&["error.type"]),
    Metric::new(
        UpDownCounter,
        "{data_point}",
        "otel.sdk.exporter.metric_data_point.inflight",
        "Points in exports under way.",
    )
    .has(COMPONENT),
    Metric::new(Histogram, "s", "otel.sdk.exporter.operation.duration", "Exports, with their retries.")
        .has(COMPONENT)
        .may_have(&["error.type"]),
];

const STATEMENT: &[&str] = &["db.system.name", "db.query.summary"];
const OF_STATEMENT: &[&str] =
    &["db.namespace", "db.operation.name", "db.collection.name", "server.address", "server.port"];
const POOL: &[&str] = &["db.system.name", "db.client.connection.pool.name"];
const SERVER: &[&str] = &["db.namespace", "server.address", "server.port"];
const QUEUE: &[&str] = &["messaging.destination.name"];
const ACTOR: &[&str] = &["actor.name", "actor.type"];
const COMPONENT: &[&str] = &["otel.component.name", "otel.component.type"];
