-- Lets PostgreSQL refuse what a former master writes. Run it once in each database, as a superuser: psql -f fencing.sql
-- It needs nothing of the tables that it is to protect; "fence a table" at the end of orders.sql shows the one line for each of them.

-- Whoever owns the rules. Nobody logs in as this role, and the services are no members of it.
DO $$ BEGIN
  CREATE ROLE fencing_owner NOLOGIN;
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

CREATE SCHEMA fencing;
ALTER SCHEMA fencing OWNER TO fencing_owner;

-- The largest epoch that has been claimed for each app. It only grows.
CREATE TABLE fencing.epochs (
  app text PRIMARY KEY,
  epoch bigint NOT NULL CHECK (epoch > 0),
  node_id text NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
ALTER TABLE fencing.epochs OWNER TO fencing_owner;

-- "I am the master of this epoch", said once by every new master, before it reads or writes anything else. From the commit on nobody of a
-- smaller epoch writes; before it, every transaction of theirs that was let in has ended, because each holds the row FOR SHARE. So what the
-- new master reads afterwards is final.
CREATE FUNCTION fencing.claim(of_app text, token bigint, of_node text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  known fencing.epochs;
BEGIN
  INSERT INTO fencing.epochs AS e (app, epoch, node_id) VALUES (of_app, token, of_node)
    ON CONFLICT (app) DO UPDATE SET epoch = excluded.epoch, node_id = excluded.node_id, claimed_at = excluded.claimed_at
    WHERE e.epoch < excluded.epoch;
  SELECT * INTO known FROM fencing.epochs WHERE app = of_app;
  -- The same epoch once more is the same master, whose service was started again.
  IF known.epoch > token THEN
    RAISE EXCEPTION 'epoch % of % is over: epoch % was claimed by % at %', token, of_app, known.epoch, known.node_id, known.claimed_at
      USING ERRCODE = 'OE001', HINT = 'another node is master: stop this one';
  END IF;
END $$;
ALTER FUNCTION fencing.claim(text, bigint, text) OWNER TO fencing_owner;

-- Whether the session may go on: its token (SET ha.epoch) is the epoch that was claimed last. The lock is held until the transaction ends, so
-- that a claim either comes after all of it or makes it fail. FOR SHARE lets the transactions of one master run side by side; FOR KEY SHARE
-- would not do, because it lets an UPDATE of the epoch pass.
CREATE FUNCTION fencing.check(of_app text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  token bigint := nullif(current_setting('ha.epoch', true), '')::bigint;
  known fencing.epochs;
BEGIN
  IF token IS NULL THEN
    RAISE EXCEPTION 'this session has no epoch, and % belongs to the master alone', of_app
      USING ERRCODE = 'OE002', HINT = 'connect with options=''-c ha.epoch=N'', N being HA_EPOCH';
  END IF;
  SELECT * INTO known FROM fencing.epochs WHERE app = of_app FOR SHARE;
  IF known.epoch IS NULL OR known.epoch < token THEN
    RAISE EXCEPTION 'epoch % of % has not been claimed', token, of_app
      USING ERRCODE = 'OE003', HINT = format('SELECT fencing.claim(%L, %s, ''node'') comes first, in a transaction of its own', of_app, token);
  END IF;
  IF known.epoch > token THEN
    RAISE EXCEPTION 'epoch % of % is over: epoch % was claimed by % at %', token, of_app, known.epoch, known.node_id, known.claimed_at
      USING ERRCODE = 'OE001', HINT = 'another node is master: stop this one';
  END IF;
END $$;
ALTER FUNCTION fencing.check(text) OWNER TO fencing_owner;

-- The same as a trigger, so that nobody can forget to ask. It runs before the first row is touched.
CREATE FUNCTION fencing.check_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM fencing.check(TG_ARGV[0]);
  RETURN NULL;
END $$;
ALTER FUNCTION fencing.check_write() OWNER TO fencing_owner;

-- A service may ask and claim; it may not touch the epochs themselves.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA fencing FROM PUBLIC;
