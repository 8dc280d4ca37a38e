-- A status more.
ALTER TABLE orders DROP CONSTRAINT orders_status_check;
ALTER TABLE orders ADD CONSTRAINT orders_status_check
    CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled'));
DROP INDEX orders_unfinished;
CREATE INDEX orders_unfinished ON orders (updated_at, id) WHERE status NOT IN ('completed', 'failed', 'cancelled');

ALTER TABLE orders ADD COLUMN payment_method TEXT NOT NULL DEFAULT 'credit_card'
    CHECK (payment_method IN ('credit_card', 'debit_card', 'paypal'));

-- How many lines an order has in order_lines: none if it was given as one product and its amount.
ALTER TABLE orders ADD COLUMN line_count INTEGER NOT NULL DEFAULT 0 CHECK (line_count BETWEEN 0 AND 100);

CREATE TABLE order_lines (
    order_id         BIGINT NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    position         INTEGER NOT NULL CHECK (position BETWEEN 1 AND 100),
    product          TEXT NOT NULL CHECK (char_length(product) BETWEEN 1 AND 200),
    quantity         INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000),
    -- In the currency of the order.
    unit_price_minor BIGINT NOT NULL CHECK (unit_price_minor >= 0),
    PRIMARY KEY (order_id, position)
);

-- Whoever watches an order hears of each change, whichever process made it.
CREATE FUNCTION orders_tell() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('orders', OLD.id || ' ' || (OLD.version + 1) || ' deleted');
    ELSE
        PERFORM pg_notify('orders', NEW.id || ' ' || NEW.version || ' ' || NEW.status);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER orders_changed AFTER UPDATE OF version ON orders
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION orders_tell();
CREATE TRIGGER orders_deleted AFTER DELETE ON orders FOR EACH ROW EXECUTE FUNCTION orders_tell();
