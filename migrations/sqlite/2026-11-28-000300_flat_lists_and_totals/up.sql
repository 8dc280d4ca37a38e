-- A page of any list stops at a page of one of these, wherever in the table its orders are. They are by -id, which the primary key is not: a
-- database that thinks it knows better, as PostgreSQL does, has nothing else to read them by; nor, by 0 - id, for those of a user and a
-- status than what they alone are in.
DROP INDEX orders_by_status;
DROP INDEX orders_by_user;
CREATE INDEX orders_by_status ON orders (status, -id);
CREATE INDEX orders_by_user ON orders (user_id, -id);
CREATE INDEX orders_by_user_and_status ON orders (user_id, status, 0 - id);

-- What orders that have ended come to, by status and currency: of a user, of nobody (0), of all (-1).
CREATE TABLE order_sums (
    whose        BIGINT NOT NULL,
    status       TEXT NOT NULL,
    currency     TEXT NOT NULL,
    orders       BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    PRIMARY KEY (whose, status, currency)
) WITHOUT ROWID;

-- What has come to it since and is not in the sums yet: a row that is added is cheaper than two that are looked for.
CREATE TABLE order_changes (
    id           INTEGER PRIMARY KEY NOT NULL,
    whose        BIGINT NOT NULL,
    status       TEXT NOT NULL,
    currency     TEXT NOT NULL,
    orders       BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL
);

-- All orders: those that have ended by their sums, and the others, of which there are few, by themselves. Without its name SQLite would not
-- read them off the index that has only them.
CREATE VIEW order_totals AS
    SELECT whose, status, currency, orders, amount_minor FROM order_sums
    UNION ALL SELECT whose, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT -1, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT COALESCE(user_id, 0), status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status NOT IN ('completed', 'failed', 'cancelled')
    UNION ALL SELECT -1, status, currency, 1, amount_minor FROM orders INDEXED BY orders_unfinished
        WHERE status NOT IN ('completed', 'failed', 'cancelled');

-- Once in two hundred changes they are added to the sums, and numbered from 1 again.
CREATE TRIGGER order_changes_summed_up AFTER INSERT ON order_changes WHEN NEW.id % 200 = 0 BEGIN
    INSERT INTO order_sums (whose, status, currency, orders, amount_minor)
    SELECT whose, status, currency, SUM(orders), SUM(amount_minor) FROM (
        SELECT whose, status, currency, orders, amount_minor FROM order_changes
        UNION ALL SELECT -1, status, currency, orders, amount_minor FROM order_changes) AS of_each
    WHERE TRUE GROUP BY whose, status, currency
    ON CONFLICT (whose, status, currency) DO UPDATE
        SET orders = orders + excluded.orders, amount_minor = amount_minor + excluded.amount_minor;
    DELETE FROM order_changes;
END;

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

-- The orders that are there.
INSERT INTO order_sums (whose, status, currency, orders, amount_minor)
SELECT -1, status, currency, COUNT(*), SUM(amount_minor) FROM orders
WHERE status IN ('completed', 'failed', 'cancelled') GROUP BY status, currency
UNION ALL
SELECT COALESCE(user_id, 0), status, currency, COUNT(*), SUM(amount_minor) FROM orders
WHERE status IN ('completed', 'failed', 'cancelled') GROUP BY COALESCE(user_id, 0), status, currency;
