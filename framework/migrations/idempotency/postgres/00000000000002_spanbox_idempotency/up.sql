-- Answers to requests with an Idempotency-Key, each stored in the transaction that did what it tells of.
-- Times are microseconds since 1970 by the clock of the service.
CREATE TABLE spanbox_idempotency (
    -- A hash of who asked, for what, and the key.
    id          TEXT PRIMARY KEY CHECK (char_length(id) = 64),
    -- A hash of the body.
    fingerprint TEXT NOT NULL CHECK (char_length(fingerprint) = 64),
    status      INTEGER NOT NULL CHECK (status BETWEEN 200 AND 599),
    -- A JSON array of pairs.
    headers     TEXT NOT NULL,
    body        BYTEA NOT NULL,
    expires_at  BIGINT NOT NULL
);

-- What may be forgotten first.
CREATE INDEX spanbox_idempotency_expired ON spanbox_idempotency (expires_at);
