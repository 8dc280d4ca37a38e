-- The jobs stay: the version before this one knows nothing of them, and takes up unfinished orders by itself.
DROP INDEX orders_unfinished;
ALTER TABLE orders DROP COLUMN version;
