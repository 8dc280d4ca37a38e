CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    email         TEXT NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    password_hash TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
    disabled_at   TIMESTAMP,
    created_at    TIMESTAMP NOT NULL,
    updated_at    TIMESTAMP NOT NULL
);

-- Who tried to sign in and could not, by keyed hashes of accounts and addresses.
CREATE TABLE sign_in_failures (
    key           TEXT PRIMARY KEY NOT NULL,
    failures      BIGINT NOT NULL CHECK (failures >= 0),
    last_at       TIMESTAMP NOT NULL,
    blocked_until TIMESTAMP
);

CREATE INDEX sign_in_failures_by_time ON sign_in_failures (last_at);

-- Nobody's, if it was placed by nobody who had signed in.
ALTER TABLE orders ADD COLUMN user_id BIGINT REFERENCES users (id);

-- The list of one's own orders, newest first, stops at a page of this index.
CREATE INDEX orders_by_user ON orders (user_id, id DESC);
