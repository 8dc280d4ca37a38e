DROP TABLE spanbox_idempotency;
