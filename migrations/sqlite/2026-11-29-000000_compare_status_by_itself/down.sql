DROP TRIGGER orders_discounted;
DROP TRIGGER orders_counted_no_more;
DROP TRIGGER orders_recounted;
DROP TRIGGER orders_counted;
DROP VIEW order_totals;
DROP INDEX orders_unfinished;

CREATE INDEX orders_unfinished ON orders (updated_at, id) WHERE status NOT IN ('completed', 'failed', 'cancelled');

CREATE VIEW order_totals AS
    SELECT whose, status, currency, orders, amount_minor FROM order_sums
    UNION ALL SELECT whose, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT -1, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT COALESCE(user_id, 0), status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status NOT IN ('completed', 'failed', 'cancelled')
    UNION ALL SELECT -1, status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status NOT IN ('completed', 'failed', 'cancelled');

CREATE TRIGGER orders_counted AFTER INSERT ON orders WHEN NEW.status IN ('completed', 'failed', 'cancelled') BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(NEW.user_id, 0), NEW.status, NEW.currency, 1, NEW.amount_minor);
END;

CREATE TRIGGER orders_recounted AFTER UPDATE OF status, currency, amount_minor, user_id ON orders
WHEN (OLD.status IN ('completed', 'failed', 'cancelled') OR NEW.status IN ('completed', 'failed', 'cancelled'))
    AND (OLD.status, OLD.currency, OLD.amount_minor, OLD.user_id)
        IS NOT (NEW.status, NEW.currency, NEW.amount_minor, NEW.user_id)
BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    SELECT COALESCE(OLD.user_id, 0), OLD.status, OLD.currency, -1, -OLD.amount_minor
    WHERE OLD.status IN ('completed', 'failed', 'cancelled');
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    SELECT COALESCE(NEW.user_id, 0), NEW.status, NEW.currency, 1, NEW.amount_minor
    WHERE NEW.status IN ('completed', 'failed', 'cancelled');
END;

CREATE TRIGGER orders_discounted AFTER DELETE ON orders WHEN OLD.status IN ('completed', 'failed', 'cancelled') BEGIN
    INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
    VALUES (COALESCE(OLD.user_id, 0), OLD.status, OLD.currency, -1, -OLD.amount_minor);
END;
