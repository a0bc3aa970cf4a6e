-- A tenant is admitted to a transaction in one of two ways. The long one, stratum.admit, looks at the tenant's row and
-- returns the epoch: a number that changes with every change of a tenant's status. A program that has seen a tenant active
-- in an epoch may from then on take the short way and name the epoch instead: while it is still the same, the tenant is
-- still active, and no row need be read. And, for databases that must withstand hostile SQL, the admission is signed.
--
--   ST007  the tenant of a statement is not signed, or the signature is another statement's
--   ST008  the proof that the application admits a tenant is wrong
--   ST009  the epoch has changed: take the long way
--
-- min_compatible: 3

-- The epoch is a sequence because its value is read as it is, and not as it was when a statement's snapshot was taken:
-- whoever has the tenant's lock reads an epoch that is newer than the lock. The value is the id of the transaction that
-- changed it last, and behind that 20 random bits, so that a server restored from a backup does not repeat one.
CREATE SEQUENCE stratum.epoch AS bigint CACHE 1;
SELECT setval('stratum.epoch', (1 << 20) + floor(random() * (1 << 20))::bigint);

-- Runs at the end of a transaction that has changed a tenant's status, whichever way: what a program believes of a tenant
-- must also be looked at again where an earlier change was lost, with a server or by a restore. The lock is held until
-- the commit, so that these ends come one after the other: once the last of them is seen, all before it are. It is a
-- table's, since an advisory lock could be taken by anybody. It comes before the comparison, for a rollback to a
-- savepoint takes the lock back and not the value.
CREATE FUNCTION stratum.turn_epoch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me CONSTANT bigint := pg_current_xact_id()::text::bigint;
BEGIN
    LOCK TABLE stratum.signing IN SHARE ROW EXCLUSIVE MODE;
    IF pg_sequence_last_value('stratum.epoch') >> 20 <> me THEN
        PERFORM setval('stratum.epoch', (me << 20) + floor(random() * (1 << 20))::bigint);
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER turn_epoch AFTER UPDATE ON stratum.tenants DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.id <> NEW.id) EXECUTE FUNCTION stratum.turn_epoch();
CREATE CONSTRAINT TRIGGER turn_epoch_delete AFTER DELETE ON stratum.tenants DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stratum.turn_epoch();
CREATE TRIGGER turn_epoch_truncate AFTER TRUNCATE ON stratum.tenants
    FOR EACH STATEMENT EXECUTE FUNCTION stratum.turn_epoch();
-- Also for rows that replication brings.
ALTER TABLE stratum.tenants ENABLE ALWAYS TRIGGER turn_epoch;
ALTER TABLE stratum.tenants ENABLE ALWAYS TRIGGER turn_epoch_delete;
ALTER TABLE stratum.tenants ENABLE ALWAYS TRIGGER turn_epoch_truncate;

CREATE FUNCTION stratum.stale_epoch() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION 'a tenant has changed its status meanwhile' USING ERRCODE = 'ST009';
END $$;

-- The short way in one call, for connections on which nothing can be prepared: to read a longer text anew each time would
-- cost the server more than the function does.
CREATE FUNCTION stratum.readmit(tenant uuid, epoch bigint, path text, context text) RETURNS void
    LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    -- As in stratum.admit.
    IF pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN
        RAISE EXCEPTION 'this transaction has entered a scope already' USING ERRCODE = '42501';
    END IF;
    IF pg_catalog.current_setting('search_path') OPERATOR(pg_catalog.<>) path THEN
        PERFORM pg_catalog.set_config('search_path', path, true);
    END IF;
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(tenant, 0));
    IF (pg_catalog.pg_sequence_last_value('stratum.epoch') OPERATOR(pg_catalog.=) epoch) IS NOT TRUE THEN
        PERFORM stratum.stale_epoch();
    END IF;
    PERFORM pg_catalog.set_config('stratum.tenant', tenant::pg_catalog.text, true),
        pg_catalog.set_config('stratum.context', context, true);
END $$;

-- The long way: does what stratum.enter does, which programs of an older version call, and returns the epoch in which
-- the tenant was found active, or NULL where the status may just be changing. Names are qualified as in stratum.enter.
--
-- The order matters: the lock, the epoch, and then the row with a snapshot taken after both. Where the transaction that
-- made the epoch is over in that snapshot, the row is as it left it.
CREATE FUNCTION stratum.admit(tenant uuid) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    state pg_catalog.text;
    epoch pg_catalog.int8;
    settled pg_catalog.bool;
BEGIN
    -- A statement of a tenant must not enter another. Only a login that has not switched its role yet may.
    IF pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN
        RAISE EXCEPTION 'this transaction has entered a scope already' USING ERRCODE = '42501';
    END IF;
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.uuid_hash_extended(tenant, 0));
    epoch := pg_catalog.pg_sequence_last_value('stratum.epoch');
    SELECT t.status, pg_catalog.pg_visible_in_snapshot(
            (epoch OPERATOR(pg_catalog.>>) 20)::pg_catalog.text::pg_catalog.xid8, pg_catalog.pg_current_snapshot())
        INTO state, settled FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant;
    -- One snapshot for the whole transaction may be older than the lock: FOR SHARE fails with 40001 if the row has
    -- changed since. Where nothing is written the old state does no harm.
    IF NOT settled AND pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
        AND pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off' THEN
        PERFORM FROM stratum.tenants t WHERE t.id OPERATOR(pg_catalog.=) tenant FOR SHARE;
    END IF;
    IF state OPERATOR(pg_catalog.=) 'active' THEN
        PERFORM pg_catalog.set_config('stratum.tenant', tenant::pg_catalog.text, true);
        RETURN CASE WHEN settled THEN epoch END;
    END IF;
    IF state IS NULL THEN
        RAISE EXCEPTION 'unknown tenant' USING ERRCODE = 'ST002';
    END IF;
    RAISE EXCEPTION 'the tenant is %', state USING ERRCODE = 'ST003', DETAIL = state;
END $$;

-- The keys of the signed setting, as HMAC (RFC 2104) wants them: padded to a block. The application proves with the
-- first that it is the one who admits a tenant; with the second the server signs what it has admitted.
CREATE TABLE stratum.signing (
    singleton   boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    required    boolean NOT NULL DEFAULT false,
    proof_key   bytea NOT NULL,
    proof_inner bytea NOT NULL,
    proof_outer bytea NOT NULL,
    sign_inner  bytea NOT NULL,
    sign_outer  bytea NOT NULL
);

-- A key of 32 bytes as a block of 64, each byte changed by XOR with pad.
CREATE FUNCTION stratum.key_block(key bytea, pad int) RETURNS bytea LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    block bytea := key || decode(repeat('00', 64 - length(key)), 'hex');
BEGIN
    FOR i IN 0..63 LOOP
        block := set_byte(block, i, get_byte(block, i) # pad);
    END LOOP;
    RETURN block;
END $$;

-- Makes new keys. Statements that are on their way with the old ones fail once.
CREATE FUNCTION stratum.renew_keys() RETURNS void LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- gen_random_uuid draws from the server's source of strong random numbers, 122 bits a time.
    proof CONSTANT bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) ||
        uuid_send(gen_random_uuid()));
    sign CONSTANT bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) ||
        uuid_send(gen_random_uuid()));
BEGIN
    INSERT INTO stratum.signing AS s (proof_key, proof_inner, proof_outer, sign_inner, sign_outer)
    VALUES (proof, stratum.key_block(proof, 54), stratum.key_block(proof, 92),
        stratum.key_block(sign, 54), stratum.key_block(sign, 92))
    ON CONFLICT (singleton) DO UPDATE SET proof_key = EXCLUDED.proof_key, proof_inner = EXCLUDED.proof_inner,
        proof_outer = EXCLUDED.proof_outer, sign_inner = EXCLUDED.sign_inner, sign_outer = EXCLUDED.sign_outer;
END $$;

SELECT stratum.renew_keys();

-- The signed form. Only who has the key can prove that the tenant is to be admitted in this role: SQL of a tenant that
-- has gone back to the login's own role cannot. The proof travels as a parameter and is part of no text.
CREATE FUNCTION stratum.admit(tenant uuid, as_role text, proof bytea) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    signature pg_catalog.text;
    proven pg_catalog.bool;
    -- No text may be read as another one's beginning: the id has a fixed length and the role is the rest.
    claim CONSTANT pg_catalog.bytea := pg_catalog.uuid_send(tenant)
        OPERATOR(pg_catalog.||) pg_catalog.convert_to(as_role, 'UTF8');
BEGIN
    -- Hashed once more before they are compared, so that the time it takes says nothing of how near a guess is. The
    -- process and the start of the transaction make the signature worthless anywhere else.
    SELECT pg_catalog.sha256(pg_catalog.sha256(k.proof_outer OPERATOR(pg_catalog.||) pg_catalog.sha256(
                k.proof_inner OPERATOR(pg_catalog.||) claim)))
            OPERATOR(pg_catalog.=) pg_catalog.sha256(proof),
        pg_catalog.encode(pg_catalog.sha256(k.sign_outer OPERATOR(pg_catalog.||) pg_catalog.sha256(
            k.sign_inner OPERATOR(pg_catalog.||) pg_catalog.int4send(pg_catalog.pg_backend_pid())
            OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(pg_catalog.transaction_timestamp())
            OPERATOR(pg_catalog.||) claim)), 'hex')
        INTO proven, signature FROM stratum.signing k;
    IF proven IS NOT TRUE THEN
        RAISE EXCEPTION 'the tenant was not admitted by the application' USING ERRCODE = 'ST008';
    END IF;
    PERFORM pg_catalog.set_config('stratum.signature', signature, true);
    RETURN stratum.admit(tenant);
END $$;

-- What stratum.tenant_id() becomes where signatures are required. The role is part of what is signed: it is read from
-- the setting, which a function with its owner's rights leaves as it is.
CREATE FUNCTION stratum.signed_tenant_id() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED AS $$
DECLARE
    entered CONSTANT pg_catalog.text := pg_catalog.current_setting('stratum.tenant', true);
    tenant CONSTANT pg_catalog.uuid := CASE WHEN entered OPERATOR(pg_catalog.<>) '' THEN entered
        ELSE stratum.no_tenant() END::pg_catalog.uuid;
    genuine pg_catalog.bool;
BEGIN
    SELECT pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(pg_catalog.sha256(
            k.sign_outer OPERATOR(pg_catalog.||) pg_catalog.sha256(
            k.sign_inner OPERATOR(pg_catalog.||) pg_catalog.int4send(pg_catalog.pg_backend_pid())
            OPERATOR(pg_catalog.||) pg_catalog.timestamptz_send(pg_catalog.transaction_timestamp())
            OPERATOR(pg_catalog.||) pg_catalog.uuid_send(tenant)
            OPERATOR(pg_catalog.||) pg_catalog.convert_to(pg_catalog.current_setting('role'), 'UTF8'))), 'hex'), 'UTF8'))
        OPERATOR(pg_catalog.=) pg_catalog.sha256(pg_catalog.convert_to(
            pg_catalog.current_setting('stratum.signature', true), 'UTF8'))
        INTO genuine FROM stratum.signing k;
    IF genuine IS NOT TRUE THEN
        RAISE EXCEPTION 'the tenant of this statement is not signed for it'
            USING ERRCODE = 'ST007', HINT = 'Open the handle with core.Options.Hardened.';
    END IF;
    RETURN tenant;
END $$;

-- Turns the check on and off, for the whole database at once. It is the owner's to call.
CREATE FUNCTION stratum.require_signature(wanted boolean) RETURNS void LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1937011297, 1936287598);
    IF EXISTS (SELECT FROM stratum.signing s WHERE s.required = wanted) THEN
        RETURN;
    END IF;
    IF wanted THEN
        CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
            RETURN stratum.signed_tenant_id();
    ELSE
        CREATE OR REPLACE FUNCTION stratum.tenant_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
            RETURN coalesce(nullif(current_setting('stratum.tenant', true), ''), stratum.no_tenant())::uuid;
    END IF;
    UPDATE stratum.signing SET required = wanted;
END $$;

-- Planned under the subtree role and run under another, the policies of the one would look at what is signed for the
-- other: so the role is asked for where the tenants are read.
CREATE OR REPLACE FUNCTION stratum.visible_tenants() RETURNS uuid[] LANGUAGE plpgsql STABLE SECURITY DEFINER
    PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF quote_ident(current_setting('role')) <> quote_ident((parse_ident('{{.SubtreeRole}}'))[1]) THEN
        RAISE EXCEPTION 'this is for the subtree role alone' USING ERRCODE = '42501';
    END IF;
    RETURN (
        SELECT array_agg(d.id)
        FROM stratum.tenants self
        JOIN stratum.tenants d ON d.path OPERATOR({{.LtreeSchema}}.<@) self.path
        WHERE self.id = stratum.tenant_id() AND d.status IN ('active', 'suspended', 'moving')
    );
END $$;

-- Any role may DROP OWNED what is its own, which takes it out of the policies of every table. The command fails as a
-- whole where it meets a right that the role cannot give back: this one.
CREATE SEQUENCE stratum.anchor;
REVOKE ALL ON SEQUENCE stratum.anchor FROM PUBLIC;
GRANT USAGE ON SEQUENCE stratum.anchor TO {{.TenantRole}}, {{.SubtreeRole}};

REVOKE ALL ON SEQUENCE stratum.epoch FROM PUBLIC;
REVOKE ALL ON stratum.signing FROM PUBLIC;
REVOKE ALL ON FUNCTION stratum.turn_epoch(), stratum.key_block(bytea, int), stratum.renew_keys(),
    stratum.require_signature(boolean) FROM PUBLIC;
-- Read only: whoever may write it could stop epochs from changing.
GRANT SELECT ON SEQUENCE stratum.epoch TO PUBLIC;
GRANT EXECUTE ON FUNCTION stratum.stale_epoch(), stratum.readmit(uuid, bigint, text, text), stratum.admit(uuid), stratum.admit(uuid, text, bytea),
    stratum.signed_tenant_id() TO PUBLIC;
GRANT SELECT (proof_key, required) ON stratum.signing TO {{.SystemRole}};
