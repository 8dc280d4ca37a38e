-- A status more. SQLite can not change a CHECK, so the column moves over; whatever else the table has stays as it is.
DROP INDEX orders_by_status;
DROP INDEX orders_unfinished;
-- For each row that it looks at, SQLite builds a table of the values of an IN that has more than two.
ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT 'pending'
    CHECK (state = 'pending' OR state = 'processing' OR state = 'completed' OR state = 'failed' OR state = 'cancelled');
UPDATE orders SET state = status;
ALTER TABLE orders DROP COLUMN status;
ALTER TABLE orders RENAME COLUMN state TO status;
CREATE INDEX orders_by_status ON orders (status, id DESC);
CREATE INDEX orders_unfinished ON orders (updated_at, id) WHERE status NOT IN ('completed', 'failed', 'cancelled');

ALTER TABLE orders ADD COLUMN payment_method TEXT NOT NULL DEFAULT 'credit_card'
    CHECK (payment_method = 'credit_card' OR payment_method = 'debit_card' OR payment_method = 'paypal');

-- How many lines an order has in order_lines: none if it was given as one product and its amount.
ALTER TABLE orders ADD COLUMN line_count INTEGER NOT NULL DEFAULT 0 CHECK (line_count BETWEEN 0 AND 100);

CREATE TABLE order_lines (
    order_id         BIGINT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position         INTEGER NOT NULL CHECK (position BETWEEN 1 AND 100),
    product          TEXT NOT NULL CHECK (length(product) BETWEEN 1 AND 200),
    quantity         INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    -- In the currency of the order.
    unit_price_minor BIGINT NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_id, position)
) WITHOUT ROWID;
