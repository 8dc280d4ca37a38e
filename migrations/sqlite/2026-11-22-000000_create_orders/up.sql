CREATE TABLE orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    product_name TEXT NOT NULL CHECK (length(product_name) BETWEEN 1 AND 200),
    amount_minor BIGINT NOT NULL CHECK (amount_minor >= 0),
    currency     TEXT NOT NULL CHECK (length(currency) = 3),
    status       TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    created_at   TIMESTAMP NOT NULL,
    updated_at   TIMESTAMP NOT NULL
);

-- The list by status, newest first, stops at a page of this index.
CREATE INDEX orders_by_status ON orders (status, id DESC);
