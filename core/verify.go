package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/stratum-hq/stratum-go/internal/access"
	"github.com/stratum-hq/stratum-go/internal/install"
	"github.com/stratum-hq/stratum-go/internal/sqltext"
	"github.com/stratum-hq/stratum-go/internal/tables"
	"github.com/stratum-hq/stratum-go/internal/verify"
)

// Report is what Verify found: its findings, the worst first, and which threat model the database withstands. OK, Err
// and AtLeast judge it, String prints it, and it marshals to JSON.
type Report = verify.Report

// Finding is one thing that is not as it should be: object, severity, a code that stays from release to release, what
// is wrong, and the cure.
type Finding = verify.Finding

// Severity says what a finding does to the boundary.
type Severity = verify.Severity

// The severities, worst first.
const (
	// SeverityBreaks is for what lets a tenant's statement reach another tenant's rows. Report.OK is false.
	SeverityBreaks = verify.Breaks
	// SeverityWeakens is for what harms together with something else, such as hostile SQL or a later grant.
	SeverityWeakens = verify.Weakens
	// SeveritySlows is for what costs speed.
	SeveritySlows = verify.Slows
	// SeverityNote is for what is as it should be, and worth to know.
	SeverityNote = verify.Note
)

// The threat models of Report.ThreatModel.
const (
	// NoBoundary holds where a finding breaks the boundary.
	NoBoundary = verify.NoBoundary
	// AgainstMistakes protects from forgotten scopes, bugs of an ORM and wrong code.
	AgainstMistakes = verify.AgainstMistakes
	// AgainstHostileSQL protects from SQL of an attacker's choosing, too.
	AgainstHostileSQL = verify.AgainstHostileSQL
)

// ErrBoundary is returned by Report.Err where something breaks the boundary between tenants.
var ErrBoundary = verify.ErrBoundary

// Verify looks at the database as it is, and reports where the boundary between tenants does not hold, what weakens it
// and what costs speed, each with its cure. It is for a program's start, for CI after the migrations, and for a look at
// production: it reads the catalog in a fixed number of round trips, whatever the number of tables, in one READ ONLY
// transaction that locks nothing which applications wait for.
//
// It runs with the login of Options.SystemDSN, because a running program has that one, and as the system role, which
// alone reads what Migrate has recorded of the tables; the catalog itself is open to every login. It also connects once
// with DSN and once with SystemDSN, to look at what a fresh connection starts with. It needs no tenant in ctx.
//
// What a table is comes from Stratum's record of it, or from its policies. gormstratum.Verify knows the models as well.
//
// The error is that of the database, ErrNotInstalled and the like: no report was made. What is wrong with the database
// is no error: see Report.Err.
func (s *Stratum) Verify(ctx context.Context) (*Report, error) {
	return s.VerifyTables(ctx, access.Token{}, nil)
}

// VerifyTables is Verify for this module's other packages, with the tables that models declare.
func (s *Stratum) VerifyTables(ctx context.Context, _ access.Token, declared []tables.Table) (*Report, error) {
	config, err := s.verifyConfig(declared)
	if err != nil {
		return nil, err
	}
	var report *Report
	// One snapshot for all statements: what they read must fit together.
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, s.system, options, func(tx pgx.Tx) error {
		report, err = verify.Run(ctx, tx, config)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("stratum: verify: %w", err)
	}
	return report, s.verifyLogins(ctx, report)
}

// verifyConfig says what is looked at.
func (s *Stratum) verifyConfig(declared []tables.Table) (verify.Config, error) {
	owner, err := parseDSN("OwnerDSN", s.options.OwnerDSN)
	if err != nil {
		return verify.Config{}, err
	}
	config := verify.Config{
		Roles: s.roles, DataLogin: s.dataLogin.posture.Login, SystemLogin: s.systemLogin.posture.Login,
		OwnerLogin: owner.ConnConfig.User,
		Declared:   declared, Hardened: s.options.Hardened,
		Citus: s.engine == Citus,
	}
	for _, schema := range sqltext.SplitPath(withoutTemp(s.searchPath)) {
		config.SearchPath = append(config.SearchPath, sqltext.PathName(schema))
	}
	return config, nil
}

// verifyLogins repeats the checks of Open, which see what a fresh connection starts with: the catalog alone does not
// tell what a DSN, a pooler or the server's configuration sets.
func (s *Stratum) verifyLogins(ctx context.Context, report *Report) error {
	data, dataErr := s.probe(ctx, "DSN", s.options.DSN, install.ForData)
	if dataErr == nil {
		dataErr = s.checkHardened(data.posture, s.systemLogin.posture)
	}
	_, systemErr := s.probe(ctx, "SystemDSN", s.options.SystemDSN, install.ForSystem)
	for _, err := range []error{dataErr, systemErr} {
		var refused *install.LoginError
		switch {
		case errors.As(err, &refused):
			report.Refuse(refused.Login, refused.Finding, refused.Cure)
		case err != nil:
			return fmt.Errorf("stratum: verify: %w", err)
		}
	}
	return nil
}
