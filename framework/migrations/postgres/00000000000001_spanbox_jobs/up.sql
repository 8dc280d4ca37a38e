-- Durable jobs. Times are microseconds since 1970 by this server's clock; nobody else's is ever compared with them.
--
--   available → running → completed
--                       → available   failed and due again, given back, or its lease ran out
--                       → dead        gave up, attempts spent, or its worker died over it too often
--                       → parked      no worker knows its kind, or its payload does not parse
--                       → cancelled   asked for while it ran, and it did not complete
--   available → cancelled;  dead, parked → available (retry) | cancelled (discard)
CREATE TABLE spanbox_jobs (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue            TEXT NOT NULL CHECK (char_length(queue) BETWEEN 1 AND 48),
    kind             TEXT NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 64),
    payload          TEXT NOT NULL,
    state            TEXT NOT NULL
                     CHECK (state IN ('available', 'running', 'completed', 'dead', 'cancelled', 'parked')),
    priority         BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at           BIGINT NOT NULL,
    attempt          BIGINT NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts     BIGINT NOT NULL CHECK (max_attempts >= 1),
    crashes          BIGINT NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    token            BIGINT NOT NULL DEFAULT 0,
    lease_until      BIGINT CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    worker           TEXT,
    unique_key       TEXT,
    unique_until     BIGINT NOT NULL DEFAULT 0,
    unique_held      BOOLEAN NOT NULL DEFAULT FALSE CHECK (unique_key IS NOT NULL OR NOT unique_held),
    cancel_requested BOOLEAN NOT NULL DEFAULT FALSE,
    created_at       BIGINT NOT NULL,
    started_at       BIGINT,
    finished_at      BIGINT CHECK ((finished_at IS NULL) = (state IN ('available', 'running'))),
    error            TEXT,
    traceparent      TEXT,
    tracestate       TEXT,
    baggage          TEXT,
    trace_id         TEXT
) WITH (
    -- A queue's rows die young: what they leave has to go before the index scans of a lease wade through it.
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);

-- The order in which a queue is leased, one range for each priority.
CREATE INDEX spanbox_jobs_ready ON spanbox_jobs (queue, priority, run_at, id) WHERE state = 'available';
-- What a worker died over, which is leased by itself.
CREATE INDEX spanbox_jobs_suspect ON spanbox_jobs (queue, run_at, id) WHERE state = 'available' AND crashes > 0;
-- What ran out first.
CREATE INDEX spanbox_jobs_leased ON spanbox_jobs (lease_until) WHERE state = 'running';
-- What may be forgotten first; a job that still holds its key may not.
CREATE INDEX spanbox_jobs_ended ON spanbox_jobs (state, queue, (GREATEST(finished_at, unique_until)), id)
    WHERE finished_at IS NOT NULL;
-- One job holds a key.
CREATE UNIQUE INDEX spanbox_jobs_unique ON spanbox_jobs (unique_key) WHERE unique_held;

-- A queue with a rate: until when what it has begun keeps it busy at that rate.
CREATE TABLE spanbox_rates (
    queue      TEXT PRIMARY KEY,
    busy_until BIGINT NOT NULL
);

-- Which streams of a Redis are this database's, where Redis hands the jobs out, and what of them still counts.
CREATE TABLE spanbox_streams (
    id        BIGINT PRIMARY KEY CHECK (id = 1),
    namespace TEXT NOT NULL,
    epoch     BIGINT NOT NULL
);

-- A schedule: up to when its ticks have their jobs. Who moves this from one tick to the next stores the job of that one.
CREATE TABLE spanbox_schedules (
    name      TEXT PRIMARY KEY,
    -- Until the year 10000.
    last_tick BIGINT NOT NULL CHECK (last_tick BETWEEN 0 AND 253402300799000000)
);
