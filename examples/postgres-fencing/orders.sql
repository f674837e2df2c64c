-- The tables of the example, fenced, and the role of its service. After fencing.sql: psql -f orders.sql
DO $$ BEGIN
  CREATE ROLE shop_owner NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
DO $$ BEGIN
  CREATE ROLE shop_service LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- A master that is frozen in the middle of a transaction holds its locks: the server ends that transaction, and the next master gets on.
ALTER ROLE shop_service SET idle_in_transaction_session_timeout = '3s';

CREATE SCHEMA shop AUTHORIZATION shop_owner;

CREATE TABLE shop.stock (
  item text PRIMARY KEY,
  quantity integer NOT NULL CHECK (quantity >= 0)
);
ALTER TABLE shop.stock OWNER TO shop_owner;
INSERT INTO shop.stock VALUES ('apple', 1000000), ('banana', 1000000);

-- Number and epoch are not for the service to say: it may only insert the other columns. The number is drawn while the epoch is locked, so
-- that numbers and epochs rise together.
CREATE TABLE shop.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item text NOT NULL REFERENCES shop.stock,
  quantity integer NOT NULL CHECK (quantity > 0),
  epoch bigint NOT NULL DEFAULT current_setting('ha.epoch')::bigint,
  written_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE shop.orders OWNER TO shop_owner;

-- Orders of an epoch that was over when they were written. There are none, and this is how to prove it.
CREATE VIEW shop.late_orders AS
  SELECT id, item, quantity, epoch, newest
  FROM (SELECT *, max(epoch) OVER (ORDER BY id) AS newest FROM shop.orders) AS numbered
  WHERE epoch < newest;
ALTER VIEW shop.late_orders OWNER TO shop_owner;

-- Fence a table: one line for each of them.
CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON shop.stock
  FOR EACH STATEMENT EXECUTE FUNCTION fencing.check_write('shop');
CREATE TRIGGER fenced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON shop.orders
  FOR EACH STATEMENT EXECUTE FUNCTION fencing.check_write('shop');

-- The service owns nothing, so it can neither switch a trigger off nor change a rule.
GRANT USAGE ON SCHEMA fencing, shop TO shop_service;
GRANT EXECUTE ON FUNCTION fencing.claim(text, bigint, text), fencing.check(text) TO shop_service;
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_service;
GRANT INSERT (item, quantity) ON shop.orders TO shop_service;
GRANT UPDATE (quantity) ON shop.stock TO shop_service;
