-- A page of any list stops at a page of one of these, wherever in the table its orders are. They are by -id, which the primary key is not: with
-- an index by id beside it, PostgreSQL reads the primary key backwards for whoever has a hundredth of the orders or more, and for somebody
-- whose orders are old that is most of the table. By 0 - id for the same reason: a user's failed orders would else be looked for among all
-- that have failed.
DROP INDEX orders_by_status;
DROP INDEX orders_by_user;
CREATE INDEX orders_by_status ON orders (status, (-id));
CREATE INDEX orders_by_user ON orders (user_id, (-id));
CREATE INDEX orders_by_user_and_status ON orders (user_id, status, (0 - id));

-- What orders that have ended come to, by status and currency: of a user, of nobody (0), of all (-1).
CREATE TABLE order_sums (
    whose        BIGINT NOT NULL,
    status       TEXT NOT NULL,
    currency     TEXT NOT NULL,
    orders       BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    PRIMARY KEY (whose, status, currency)
);

-- What has come to it since and is not in the sums yet. Everybody only adds to this: a row of the sums that all orders change would let one of
-- them through at a time, until its COMMIT.
CREATE TABLE order_changes (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    whose        BIGINT NOT NULL,
    status       TEXT NOT NULL,
    currency     TEXT NOT NULL,
    orders       BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL
) WITH (
    -- Its rows die young, and whoever adds up reads past the dead.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000
);

-- All orders: those that have ended by their sums, and the others, of which there are few, by themselves.
CREATE VIEW order_totals AS
    SELECT whose, status, currency, orders, amount_minor FROM order_sums
    UNION ALL SELECT whose, status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT CAST(-1 AS BIGINT), status, currency, orders, amount_minor FROM order_changes
    UNION ALL SELECT COALESCE(user_id, 0), status, currency, CAST(1 AS BIGINT), amount_minor FROM orders
        WHERE status NOT IN ('completed', 'failed', 'cancelled')
    UNION ALL SELECT CAST(-1 AS BIGINT), status, currency, CAST(1 AS BIGINT), amount_minor FROM orders
        WHERE status NOT IN ('completed', 'failed', 'cancelled');

-- Adds the changes to the sums, unless somebody else is just doing that.
CREATE FUNCTION orders_sum_up() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF pg_try_advisory_xact_lock(hashtext('order_sums')) THEN
        WITH added AS (DELETE FROM order_changes RETURNING whose, status, currency, orders, amount_minor),
            of_each AS (
                SELECT whose, status, currency, orders, amount_minor FROM added
                UNION ALL SELECT -1, status, currency, orders, amount_minor FROM added)
        INSERT INTO order_sums AS sums (whose, status, currency, orders, amount_minor)
        SELECT whose, status, currency, SUM(orders), SUM(amount_minor) FROM of_each GROUP BY whose, status, currency
        ON CONFLICT (whose, status, currency) DO UPDATE
            SET orders = sums.orders + excluded.orders, amount_minor = sums.amount_minor + excluded.amount_minor;
    END IF;
END
$$;

CREATE FUNCTION orders_count() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
        SELECT COALESCE(OLD.user_id, 0), OLD.status, OLD.currency, -1, -OLD.amount_minor
        WHERE OLD.status IN ('completed', 'failed', 'cancelled');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
        SELECT COALESCE(NEW.user_id, 0), NEW.status, NEW.currency, 1, NEW.amount_minor
        WHERE NEW.status IN ('completed', 'failed', 'cancelled');
    END IF;
    -- Once in two hundred: whoever adds up reads some hundreds of changes, and seldom a thousand.
    IF random() < 0.005 THEN
        PERFORM orders_sum_up();
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER orders_counted AFTER INSERT ON orders
    FOR EACH ROW WHEN (NEW.status IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION orders_count();
CREATE TRIGGER orders_recounted AFTER UPDATE OF status, currency, amount_minor, user_id ON orders
    FOR EACH ROW WHEN (
        (OLD.status IN ('completed', 'failed', 'cancelled') OR NEW.status IN ('completed', 'failed', 'cancelled'))
        AND (OLD.status, OLD.currency, OLD.amount_minor, OLD.user_id)
            IS DISTINCT FROM (NEW.status, NEW.currency, NEW.amount_minor, NEW.user_id))
    EXECUTE FUNCTION orders_count();
CREATE TRIGGER orders_discounted AFTER DELETE ON orders
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'failed', 'cancelled')) EXECUTE FUNCTION orders_count();

-- The orders that are there. The triggers keep others from coming before this is committed.
INSERT INTO order_changes (whose, status, currency, orders, amount_minor)
SELECT COALESCE(user_id, 0), status, currency, COUNT(*), SUM(amount_minor) FROM orders
WHERE status IN ('completed', 'failed', 'cancelled') GROUP BY COALESCE(user_id, 0), status, currency;
SELECT orders_sum_up();
