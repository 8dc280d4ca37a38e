DROP INDEX orders_by_user;
ALTER TABLE orders DROP COLUMN user_id;
DROP TABLE sign_in_failures;
DROP TABLE users;
