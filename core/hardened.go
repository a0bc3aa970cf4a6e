package core

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/guard"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// The hardened mode is for applications that must withstand hostile SQL: SQL that an attacker has made part of a
// tenant's statement. What such SQL could do as the login must not lead to another tenant, and what it says of its
// tenant must not be believed. See Options.Hardened.

// hardenedMode sends statements of tenants without names: a block of code can replace a prepared statement by another
// one, which the next tenant on the connection would run.
func (s *Stratum) hardenedMode(l *login) error {
	if !s.options.Hardened {
		return nil
	}
	switch config := l.config.ConnConfig; config.DefaultQueryExecMode {
	case pgx.QueryExecModeCacheStatement:
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	case pgx.QueryExecModeSimpleProtocol:
		// The proof would be part of the text, and pg_stat_activity shows texts.
		return fmt.Errorf("%w: Options.Hardened does not go with default_query_exec_mode=simple_protocol (use "+
			"cache_describe, which needs no prepared statements either)", ErrConfig)
	case pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec:
	}
	return nil
}

// checkHardened refuses a login for tenants from which hostile SQL could go further.
func (s *Stratum) checkHardened(p, system install.Posture) error {
	if !s.options.Hardened {
		return nil
	}
	owner, err := parseDSN("OwnerDSN", s.options.OwnerDSN)
	if err != nil {
		return err
	}
	login := pgx.Identifier{p.Login}.Sanitize()
	refuse := func(finding, cure string) error {
		return &LoginError{Login: p.Login, Finding: "in the hardened mode " + finding, Cure: cure}
	}
	attributes := attributesOf(p)
	switch {
	case p.Login == system.Login:
		return refuse("it must not be SystemDSN's login as well", "give SystemDSN a login of its own: "+
			"CREATE ROLE "+pgx.Identifier{p.Login + "_system"}.Sanitize()+" LOGIN NOINHERIT;")
	case p.Login == owner.ConnConfig.User:
		return refuse("it must not be OwnerDSN's login as well", "give OwnerDSN a login of its own, which owns the "+
			"database and the tables: CREATE ROLE "+pgx.Identifier{p.Login + "_owner"}.Sanitize()+" LOGIN CREATEROLE;")
	case len(attributes) > 0:
		return refuse("it must have no "+strings.Join(attributes, ", "),
			"ALTER ROLE "+login+" NO"+strings.Join(attributes, " NO")+";")
	case p.MaySystem:
		return refuse("it must not be a member of the system role",
			"REVOKE "+pgx.Identifier{s.roles.System}.Sanitize()+" FROM "+login+";")
	case p.MayOwn:
		return refuse("it must not own the database or the schema stratum, nor be a member of who does",
			"ALTER DATABASE ... OWNER TO the login of OwnerDSN, and REVOKE that role FROM "+login)
	case len(p.Members) > 0:
		return refuse("it must be a member of the tenant, subtree and schema roles alone",
			"REVOKE "+sqltext.QuoteEach(p.Members)+" FROM "+login+";")
	case p.OwnsObjects:
		return refuse("it must own no table, view or sequence", "ALTER TABLE ... OWNER TO the login of OwnerDSN")
	}
	return nil
}

func attributesOf(p install.Posture) []string {
	var attributes []string
	for _, a := range []struct {
		has  bool
		name string
	}{{p.Superuser, "SUPERUSER"}, {p.BypassRLS, "BYPASSRLS"}, {p.CreateRole, "CREATEROLE"}} {
		if a.has {
			attributes = append(attributes, a.name)
		}
	}
	return append(attributes, p.Attributes...)
}

// requireSignature has the database believe signed admissions alone. Migrate calls it in the hardened mode.
const requireSignature = "SELECT stratum.require_signature(true)"

func (s *Stratum) requireSignature(ctx context.Context) error {
	if !s.options.Hardened {
		return nil
	}
	db, err := s.OwnerDB(access.Token{})
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, requireSignature); err != nil {
		return fmt.Errorf("stratum: turning the hardened mode on: %w", err)
	}
	return nil
}

// proofKey reads the key with which this program proves that it admits a tenant. The login for tenants may not.
func (s *Stratum) proofKey(ctx context.Context) ([]byte, error) { return s.proofKeyOf(ctx, s.system) }

// proofKeyOf reads the key of the database that the pool leads to.
func (s *Stratum) proofKeyOf(ctx context.Context, system *guard.Pool) (key []byte, err error) {
	err = s.systemTx(ctx, system, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT proof_key FROM signing").Scan(&key)
	})
	if err != nil {
		return nil, fmt.Errorf("stratum: reading the key of the hardened mode: %w", err)
	}
	return key, nil
}
