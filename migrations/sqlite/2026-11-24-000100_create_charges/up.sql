-- What the simulated payment gateway remembers: one charge for each idempotency key.
CREATE TABLE charges (
    idempotency_key TEXT PRIMARY KEY NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 100),
    amount_minor    BIGINT NOT NULL CHECK (amount_minor >= 0),
    currency        TEXT NOT NULL CHECK (length(currency) = 3),
    created_at      TIMESTAMP NOT NULL
) WITHOUT ROWID;
