-- Sensitive config: programs seal it with a key of the tenant that has set it, and the database has no plaintext.
-- min_compatible: 3

ALTER TABLE stratum.config
    -- What a sensitive entry has in place of its value.
    ADD COLUMN sealed bytea,
    -- A sensitive entry has no value beside it, and nothing that is not in the form of a sealed value.
    ADD CONSTRAINT config_sealed_check CHECK (CASE WHEN sensitive
        THEN sealed IS NOT NULL AND value = 'null'
            AND octet_length(sealed) >= 33 AND substring(sealed, 1, 1) IN ('\x01', '\x02')
        ELSE sealed IS NULL END);

GRANT UPDATE (sealed) ON stratum.config TO {{.SystemRole}};

-- For the job that seals anew.
CREATE INDEX config_sealed_idx ON stratum.config (tenant_id) WHERE sensitive;
