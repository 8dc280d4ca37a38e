-- Counts the changes of the status: an order that was completed once has version 3.
ALTER TABLE orders ADD COLUMN version BIGINT NOT NULL DEFAULT 1 CHECK (version >= 1);
UPDATE orders SET version = 2 WHERE status = 'processing';

-- What is unfinished, the longest untouched first: all that the search for stale orders reads.
CREATE INDEX orders_unfinished ON orders (updated_at, id) WHERE status NOT IN ('completed', 'failed');

-- Orders that were taken before there were jobs get theirs.
INSERT INTO spanbox_jobs
    (queue, kind, payload, state, priority, run_at, max_attempts, unique_key, unique_held, created_at)
SELECT 'orders', 'process_order', '{"order_id":' || id || '}', 'available', 5,
    (EXTRACT(EPOCH FROM statement_timestamp()) * 1000000)::BIGINT, 20, 'process_order:' || id, TRUE,
    (EXTRACT(EPOCH FROM statement_timestamp()) * 1000000)::BIGINT
FROM orders WHERE status IN ('pending', 'processing') ORDER BY id
ON CONFLICT (unique_key) WHERE unique_held DO NOTHING;
