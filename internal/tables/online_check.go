package tables

import (
	"strings"

	"github.com/google/uuid"
)

// Check is a question to the rows of a table before it is adopted.
type Check struct {
	// Table is the table, quoted and with its schema.
	Table string
	// Count is a query for the number of what is wrong.
	Count string
	// List is a query for what is wrong.
	List string
	// Finding says what is wrong, with %d for the number; Cure what to do.
	Finding, Cure string
}

// Checks are the questions to ask of the tables that do not have a tenant in each row yet.
func (p *Plan) Checks() []Check {
	var all []Check
	for _, t := range p.owned {
		if c := t.rel.column(t.Column); !t.rooted() || (c != nil && c.NotNull) {
			continue
		}
		if p.online.NullKeys == uuid.Nil {
			all = append(all, t.nullCheck())
		}
		if t.keyed() && (!p.online.CreateTenants || t.key.LookupTable != "") {
			all = append(all, p.tenantCheck(t))
		}
	}
	return all
}

// nullCheck asks for rows that say nothing of whose they are.
func (t *onlineTable) nullCheck() Check {
	missing := make([]string, 0, len(t.source()))
	for _, name := range t.source() {
		missing = append(missing, quote(name)+" IS NULL")
	}
	from := " FROM " + t.rel.String() + " WHERE " + strings.Join(missing, " OR ")
	return Check{
		Table: t.rel.String(), Count: "SELECT count(*)" + from, List: "SELECT *" + from,
		Finding: "%d rows have no key", Cure: "give them one, or name the tenant that they belong to in " +
			"AdoptOptions.NullKeys",
	}
}

// tenantCheck asks for keys that no tenant has as its external id.
func (p *Plan) tenantCheck(t *onlineTable) Check {
	key := "k." + quote(t.key.Column)
	list := "SELECT " + key + " FROM (SELECT DISTINCT " + quote(t.key.Column) + " FROM " + t.rel.String() +
		") k WHERE " + key + " IS NOT NULL AND " + t.key.find(p, t, key) + " IS NULL"
	return Check{
		Table: t.rel.String(), Count: "SELECT count(*) FROM (" + list + ") q", List: list,
		Finding: "%d keys have no tenant",
		Cure:    "create the tenants with Tenants.CreateBatch, each with its key as ExternalID",
	}
}

// Refused is the error of a check that has found something.
func (c Check) Refused(rows int64, finding string) error {
	return &TableError{
		Table: c.Table, Rows: rows, Finding: finding, kind: ErrKey,
		Cure: c.Cure + "; list them with: " + c.List,
	}
}
