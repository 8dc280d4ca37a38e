-- Who is signed in, and with which refresh tokens. Times are microseconds since 1970; of tokens there are only hashes.
CREATE TABLE spanbox_sessions (
    id         TEXT PRIMARY KEY NOT NULL,
    subject    TEXT NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 200),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE INDEX spanbox_sessions_by_subject ON spanbox_sessions (subject);

CREATE TABLE spanbox_refresh_tokens (
    hash       TEXT PRIMARY KEY NOT NULL,
    session_id TEXT NOT NULL REFERENCES spanbox_sessions (id),
    expires_at BIGINT NOT NULL,
    -- When it was exchanged for the next one; a token is good once.
    used_at    BIGINT
);

CREATE INDEX spanbox_refresh_tokens_by_session ON spanbox_refresh_tokens (session_id);
