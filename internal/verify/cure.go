package verify

import (
	"slices"
	"strings"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// quote, quoteEach and literal are those of sqltext: SQL is easier to read with short names in it.
func quote(parts ...string) string { return sqltext.Quote(parts...) }

func quoteEach(names []string) string { return sqltext.QuoteEach(names) }

func literal(text string) string { return sqltext.Literal(text) }

// grantee is how GRANT and REVOKE name it.
func grantee(name string) string {
	if name == "" {
		return "PUBLIC"
	}
	return quote(name)
}

// grantees lists whom rights were granted to, for people.
func grantees(grants []grant) string {
	return listed(grants, func(g grant) string { return grantee(g.Grantee) })
}

// rights lists which rights were granted.
func rights(grants []grant) string { return listed(grants, func(g grant) string { return g.Right }) }

func listed(grants []grant, what func(grant) string) string {
	var list []string
	for _, g := range grants {
		if text := what(g); !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// atomic makes several statements one transaction, in which the owner of the tables sees all rows: what is validated
// is what it sees.
func atomic(statements ...string) string {
	return "BEGIN;\nSET LOCAL stratum.owner = 'migrate';\n" + strings.Join(statements, ";\n") + ";\nCOMMIT;"
}

// revoke takes rights on an object back. PostgreSQL ignores a REVOKE by the owner of what somebody else has granted, so
// that one is done in the name of who granted it.
func revoke(object, owner, what string, grants []grant) (cure string, runAs Login) {
	runAs = Owner
	var statements []string
	for _, g := range grants {
		statement := "REVOKE " + what + " ON " + object + " FROM " + grantee(g.Grantee) + ";"
		if g.Grantor != owner {
			statement = "SET ROLE " + quote(g.Grantor) + "; " + statement + " RESET ROLE;"
			runAs = Superuser
		}
		if !slices.Contains(statements, statement) {
			statements = append(statements, statement)
		}
	}
	return strings.Join(statements, "\n"), runAs
}
