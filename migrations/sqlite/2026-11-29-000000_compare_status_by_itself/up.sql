-- For each row that it looks at, SQLite builds a table of the values of an IN that has more than two: in an index and in triggers, for each
-- order that is written.
DROP TRIGGER orders_discounted;
DROP TRIGGER orders_recounted;
DROP TRIGGER orders_counted;
DROP VIEW order_totals;
DROP INDEX orders_unfinished;

CREATE INDEX orders_unfinished ON orders (updated_at, id)
    WHERE status <> 'completed' AND status <> 'failed' AND status <> 'cancelled';

CREATE VIEW order_totals AS
    SELECT whose, status, currency, orders, amount_minor FROM order_sums
    UNION ALL SELECT whose, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT -1, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT COALESCE(user_id, 0), status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status <> 'completed' AND status <> 'failed' AND status <> 'cancelled'
    UNION ALL SELECT -1, status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status <> 'completed' AND status <> 'failed' AND status <> 'cancelled';

CREATE TRIGGER orders_counted AFTER INSERT ON orders
WHEN NEW.status = 'completed' OR NEW.status = 'failed' OR NEW.status = 'cancelled' BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(NEW.user_id, 0), NEW.status, NEW.currency, 1, NEW.amount_minor);
END;

-- Two, each of values alone: what INSERT ... SELECT adds would go through a table as well.
CREATE TRIGGER orders_recounted AFTER UPDATE OF status, currency, amount_minor, user_id ON orders
WHEN (NEW.status = 'completed' OR NEW.status = 'failed' OR NEW.status = 'cancelled')
    AND (OLD.status, OLD.currency, OLD.amount_minor, OLD.user_id)
        IS NOT (NEW.status, NEW.currency, NEW.amount_minor, NEW.user_id)
BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(NEW.user_id, 0), NEW.status, NEW.currency, 1, NEW.amount_minor);
END;

CREATE TRIGGER orders_counted_no_more AFTER UPDATE OF status, currency, amount_minor, user_id ON orders
WHEN (OLD.status = 'completed' OR OLD.status = 'failed' OR OLD.status = 'cancelled')
    AND (OLD.status, OLD.currency, OLD.amount_minor, OLD.user_id)
        IS NOT (NEW.status, NEW.currency, NEW.amount_minor, NEW.user_id)
BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(OLD.user_id, 0), OLD.status, OLD.currency, -1, -OLD.amount_minor);
END;

CREATE TRIGGER orders_discounted AFTER DELETE ON orders
WHEN OLD.status = 'completed' OR OLD.status = 'failed' OR OLD.status = 'cancelled' BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(OLD.user_id, 0), OLD.status, OLD.currency, -1, -OLD.amount_minor);
END;
