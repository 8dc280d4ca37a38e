-- Durable jobs. Times are microseconds since 1970 by the database's clock, which here is the machine's.
--
--   available → running → completed
--                       → available   failed and due again, given back, or its lease ran out
--                       → dead        gave up, attempts spent, or its worker died over it too often
--                       → parked      no worker knows its kind, or its payload does not parse
--                       → cancelled   asked for while it ran, and it did not complete
--   available → cancelled;  dead, parked → available (retry) | cancelled (discard)
CREATE TABLE spanbox_jobs (
    -- AUTOINCREMENT: the id of a job that was pruned must not come back, a late write could mean the wrong one.
    id               INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    queue            TEXT NOT NULL CHECK (length(queue) BETWEEN 1 AND 48),
    kind             TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    payload          TEXT NOT NULL,
    state            TEXT NOT NULL
                     -- Not IN: SQLite would build a table of its values for each row.
                     CHECK (state = 'available' OR state = 'running' OR state = 'completed'
                         OR state = 'dead' OR state = 'cancelled' OR state = 'parked'),
    priority         INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    run_at           INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    max_attempts     INTEGER NOT NULL CHECK (max_attempts >= 1),
    crashes          INTEGER NOT NULL DEFAULT 0 CHECK (crashes >= 0),
    token            INTEGER NOT NULL DEFAULT 0,
    lease_until      INTEGER CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    worker           TEXT,
    unique_key       TEXT,
    unique_until     INTEGER NOT NULL DEFAULT 0,
    unique_held      INTEGER NOT NULL DEFAULT FALSE CHECK (unique_key IS NOT NULL OR NOT unique_held),
    cancel_requested INTEGER NOT NULL DEFAULT FALSE,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER CHECK ((finished_at IS NULL) = (state IN ('available', 'running'))),
    error            TEXT,
    traceparent      TEXT,
    tracestate       TEXT,
    baggage          TEXT,
    trace_id         TEXT
) STRICT;

-- The order in which a queue is leased, one range for each priority.
CREATE INDEX spanbox_jobs_ready ON spanbox_jobs (queue, priority, run_at, id) WHERE state = 'available';
-- What a worker died over, which is leased by itself.
CREATE INDEX spanbox_jobs_suspect ON spanbox_jobs (queue, run_at, id) WHERE state = 'available' AND crashes > 0;
-- What ran out first.
CREATE INDEX spanbox_jobs_leased ON spanbox_jobs (lease_until) WHERE state = 'running';
-- What may be forgotten first; a job that still holds its key may not.
CREATE INDEX spanbox_jobs_ended ON spanbox_jobs (state, queue, MAX(finished_at, unique_until), id)
    WHERE finished_at IS NOT NULL;
-- One job holds a key.
CREATE UNIQUE INDEX spanbox_jobs_unique ON spanbox_jobs (unique_key) WHERE unique_held;

-- A queue with a rate: until when what it has begun keeps it busy at that rate.
CREATE TABLE spanbox_rates (
    queue      TEXT PRIMARY KEY,
    busy_until INTEGER NOT NULL
) STRICT;

-- Which streams of a Redis are this database's, where Redis hands the jobs out, and what of them still counts.
CREATE TABLE spanbox_streams (
    id        INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    namespace TEXT NOT NULL,
    epoch     INTEGER NOT NULL
) STRICT;

-- A schedule: up to when its ticks have their jobs. Who moves this from one tick to the next stores the job of that one.
CREATE TABLE spanbox_schedules (
    name      TEXT PRIMARY KEY,
    -- Until the year 10000.
    last_tick INTEGER NOT NULL CHECK (last_tick BETWEEN 0 AND 253402300799000000)
) STRICT;
