package tables

import (
	"strings"
)

// Expected is what a tenant-owned table must look like in the catalog once it was migrated, and the SQL for it: for
// whoever compares a database with that and changes nothing.
type Expected struct {
	// Default is the default of the tenant column, as the server prints it under an empty search_path.
	Default string
	// Policies are those of row-level security, one for each role and command.
	Policies []ExpectedPolicy
}

// ExpectedPolicy is a policy as the catalog has it, and the statement that makes it.
type ExpectedPolicy struct {
	Name, Command string
	Roles         []string
	Using, Check  string
	Define        string
}

// Expect returns what a table must look like, under the Roles and on the engine of config. Schema, Name and Column must
// be set. printed is the tenant column as the server quotes it, and owner the table's owner.
func Expect(t Table, printed, owner string, config Config) Expected {
	r := &relation{Schema: t.Schema, Name: t.Name, Owner: owner, Columns: []column{{Name: t.Column, Quoted: printed}}}
	m := Migration{roles: config.Roles, citus: config.Citus}
	e := Expected{Default: tenantDefault}
	for _, w := range m.rules(&target{Table: t, rel: r}) {
		e.Policies = append(e.Policies, ExpectedPolicy{
			Name: w.Name, Command: w.Command, Roles: w.Roles, Using: w.Using, Check: w.Check, Define: w.define(r),
		})
	}
	return e
}

// TenantDefault is the default of a tenant column, as the server prints it under an empty search_path.
const TenantDefault = tenantDefault

// KeySuffix ends the names of the unique keys that Migrate adds for foreign keys to refer to.
const KeySuffix = keySuffix

// CheckSuffix ends the names of the checks that Migrate adds to mixed tables.
const CheckSuffix = checkSuffix

// GloballyUniqueComment is the comment of an index that is unique across tenants, for the reason given.
func GloballyUniqueComment(reason string) string {
	return globallyUniqueComment + strings.TrimSpace(reason)
}

// IsPolicy reports whether a policy of this name is Stratum's.
func IsPolicy(name string) bool { return isOurs(name) }

// ReferredKeyName is the name of the unique key that foreign keys to these columns refer to. primary are the columns of
// the table's primary key.
func ReferredKeyName(table string, columns, primary []string) string {
	if sameSet(columns, primary) {
		return keyName(table)
	}
	return hashedName(table, columns, keySuffix)
}

// ReferenceIndexName is the name of the index on a foreign key's columns, which are named without the tenant column.
func ReferenceIndexName(table string, columns []string) string {
	return hashedName(table, columns, indexSuffix)
}
