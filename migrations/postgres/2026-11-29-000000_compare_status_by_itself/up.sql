-- SQLite's matter alone: PostgreSQL compares with the values of an IN in place. It is here so that both databases are at the same version.
SELECT 1;
