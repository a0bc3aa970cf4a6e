package gormstratum_test

import (
	"database/sql"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/stratum-hq/stratum-go/gormstratum"
)

// foundNames are the names of the patients that a query finds.
func foundNames(t *testing.T, way string, db *gorm.DB) string {
	t.Helper()
	var all []Patient
	require.NoError(t, db.Find(&all).Error, way)
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.Name
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

// newCrowd has twenty patients, of whom about half have the same blind index for their blood, and one without a telephone.
func newCrowd(t *testing.T) *clinic {
	t.Helper()
	c := newClinic(t)
	for i := range 20 {
		c.add(t, fmt.Sprintf("p%02d", i))
	}
	require.NoError(t, c.as().Create(&Patient{Name: "none", Email: "none@" + secret, Blood: "none"}).Error)
	return c
}

func TestEncryptedConditions(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	email := func(n int) string { return fmt.Sprintf("P%02d@%s ", n, secret) } // as it was not written
	phone := func(n int) string { return fmt.Sprintf("%s phone p%02d", secret, n) }
	blood := func(n int) string { return fmt.Sprintf("%s p%02d", secret, n) }
	list := func(f func(int) string) []string { return []string{f(3), f(5)} }
	three, both := "[p03]", "[p03 p05]"
	for way, test := range map[string]struct {
		want string
		find func(db *gorm.DB) *gorm.DB
	}{
		"text":           {three, func(db *gorm.DB) *gorm.DB { return db.Where("email = ?", email(3)) }},
		"quoted":         {three, func(db *gorm.DB) *gorm.DB { return db.Where(`"email"=?`, email(3)) }},
		"qualified":      {three, func(db *gorm.DB) *gorm.DB { return db.Where("patients.email = ?", email(3)) }},
		"upper case":     {three, func(db *gorm.DB) *gorm.DB { return db.Where("EMAIL = ?", email(3)) }},
		"name alone":     {three, func(db *gorm.DB) *gorm.DB { return db.Where("email", email(3)) }},
		"IN":             {both, func(db *gorm.DB) *gorm.DB { return db.Where("email IN ?", list(email)) }},
		"IN parentheses": {both, func(db *gorm.DB) *gorm.DB { return db.Where("email IN (?)", list(email)) }},
		"IN several":     {both, func(db *gorm.DB) *gorm.DB { return db.Where("email in (?, ?)", email(3), email(5)) }},
		"IN none":        {"[]", func(db *gorm.DB) *gorm.DB { return db.Where("email IN ?", []string{}) }},
		"in a text": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name <> ? AND (email = ?) AND name > ?", "?", email(3), "p")
		}},
		"OR in a text": {both, func(db *gorm.DB) *gorm.DB { return db.Where("email = ?\nOR\tname = ?", email(3), "p05") }},
		"inline": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("").Find(&[]Patient{}, "email = ?", email(3)).Where("email = ?", email(3))
		}},
		"named": {three, func(db *gorm.DB) *gorm.DB { return db.Where("email = @email", sql.Named("email", email(3))) }},
		"named twice": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where("(email = @a OR patients.email = @b)\nAND name <> @c AND name <> 'x@y'", map[string]any{
				"a": email(3), "b": email(5), "c": "p01",
			})
		}},
		"named IN": {both, func(db *gorm.DB) *gorm.DB { return db.Where("email IN @all", sql.Named("all", list(email))) }},
		"named IN parentheses": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where("email IN (@all) AND name >= @from", sql.Named("all", list(email)), sql.Named("from", "p"))
		}},
		"named by a struct": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("email = @Email AND blood = @Blood", Patient{Email: email(3), Blood: blood(3)})
		}},
		"named Not": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"p03", "p05"}).Not("email = @email", sql.Named("email", email(5)))
		}},
		"named Or": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where(c.db.Where("email = @email", sql.Named("email", email(3))).
				Or("blood = @blood", sql.Named("blood", blood(5))))
		}},
		"conditions in one text": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where("(email = ? OR email IN (?, ?)) AND blood IN ? AND (name = ? OR phone IS NOT NULL)",
				email(3), email(4), email(5), list(blood), "x")
		}},
		"Not group": {"[p01 p02]", func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"p01", "p02", "p03", "p05"}).
				Not(c.db.Where("email = ?", email(3)).Or(map[string]any{"blood": blood(5)}))
		}},
		"struct":            {three, func(db *gorm.DB) *gorm.DB { return db.Where(&Patient{Email: email(3)}) }},
		"struct and fields": {three, func(db *gorm.DB) *gorm.DB { return db.Where(Patient{Email: email(3), Name: "x"}, "Email") }},
		"map":               {three, func(db *gorm.DB) *gorm.DB { return db.Where(map[string]any{"email": email(3)}) }},
		"map of a list":     {both, func(db *gorm.DB) *gorm.DB { return db.Where(map[string]any{"email": list(email)}) }},
		"clause":            {three, func(db *gorm.DB) *gorm.DB { return db.Where(clause.Eq{Column: "email", Value: email(3)}) }},
		"clause IN": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where(clause.IN{Column: clause.Column{Name: "email"}, Values: []any{email(3), email(5)}})
		}},
		"Clauses": {three, func(db *gorm.DB) *gorm.DB { return db.Clauses(clause.Eq{Column: "patients.email", Value: email(3)}) }},
		"Or":      {both, func(db *gorm.DB) *gorm.DB { return db.Where("email = ?", email(3)).Or("email = ?", email(5)) }},
		"group": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where(c.db.Where("email = ?", email(3)).Or(Patient{Email: email(5)}))
		}},
		"Not": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"p03", "p05"}).Not("email = ?", email(5))
		}},
		"Not map": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"p03", "p05"}).Not(map[string]any{"email": list(email)[1:]})
		}},
		"<>": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ? AND email <> ?", []string{"p03", "p05"}, email(5))
		}},
		"NOT IN": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ? AND email NOT IN ?", []string{"p03", "p05"}, []string{email(5)})
		}},
		"pointer": {three, func(db *gorm.DB) *gorm.DB { s := phone(3); return db.Where("phone = ?", &s) }},
		"sql.NullString": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("phone = ?", sql.NullString{String: phone(3), Valid: true})
		}},
		"NULL is no value": {"[p05]", func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"none", "p05"}).Not("phone = ?", phone(3))
		}},
		"IS NULL":          {"[none]", func(db *gorm.DB) *gorm.DB { return db.Where("phone IS NULL") }},
		"nil":              {"[none]", func(db *gorm.DB) *gorm.DB { return db.Where(map[string]any{"phone": nil}) }},
		"not unique":       {"[p03]", func(db *gorm.DB) *gorm.DB { return db.Where("phone IS NOT NULL AND phone = ?", phone(3)) }},
		"truncated":        {three, func(db *gorm.DB) *gorm.DB { return db.Where("blood = ?", blood(3)) }},
		"truncated, none":  {"[]", func(db *gorm.DB) *gorm.DB { return db.Where("blood = ?", "nobody's") }},
		"truncated IN":     {both, func(db *gorm.DB) *gorm.DB { return db.Where("blood IN ?", list(blood)) }},
		"truncated struct": {three, func(db *gorm.DB) *gorm.DB { return db.Where(&Patient{Blood: blood(3)}) }},
		"truncated Or":     {both, func(db *gorm.DB) *gorm.DB { return db.Where("blood = ? OR name = ?", blood(3), "p05") }},
		"truncated Not": {"[p05]", func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ?", []string{"p03", "p05"}).Not("blood = ?", blood(3))
		}},
		"truncated <> of nobody": {both, func(db *gorm.DB) *gorm.DB {
			return db.Where("name IN ? AND blood <> ?", []string{"p03", "p05"}, "nobody's")
		}},
		"truncated Not all": {"[]", func(db *gorm.DB) *gorm.DB { return db.Where("name = ?", "p03").Not(Patient{Blood: blood(3)}) }},
		"sub-query": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("id IN (?)", c.db.Model(&Patient{}).Select("id").Where("email = ?", email(3)))
		}},
		"truncated within": {three, func(db *gorm.DB) *gorm.DB {
			return db.Where("id IN (?)", c.db.Model(&Patient{}).Select("id").Where("blood = ?", blood(3)))
		}},
		"alias": {three, func(db *gorm.DB) *gorm.DB { return db.Table("patients AS q").Where("q.email = ?", email(3)) }},
		"raw join": {three, func(db *gorm.DB) *gorm.DB {
			return db.Joins("LEFT JOIN doctors d ON d.id = patients.doctor_id").Where("patients.email = ?", email(3))
		}},
		"other table": {"[]", func(db *gorm.DB) *gorm.DB {
			return db.Joins("JOIN letters l ON l.patient_id = patients.id").Where("l.email = ?", "x")
		}},
		"Joins": {three, func(db *gorm.DB) *gorm.DB {
			return db.Joins("Doctor").Where(`patients.email = ? OR "Doctor"."email" = ?`, email(3), "x")
		}},
		"Joins ON": {three, func(db *gorm.DB) *gorm.DB {
			return db.Joins("Doctor", c.db.Where(&Doctor{Email: "x"})).Where(Patient{Email: email(3)})
		}},
	} {
		require.Equal(t, test.want, foundNames(t, way, test.find(c.as())), way)
	}
	c.requireSealed(t)
}

// A truncated index finds more rows than those with the value: none of them is counted, changed or deleted.
func TestTruncatedIndexIsRechecked(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	blood := secret + " p03"
	require.Greater(t, c.value(t, `SELECT max(n) FROM (SELECT count(*) n FROM patients GROUP BY blood_bidx) x`), int64(2))
	var n int64
	require.NoError(t, c.as().Model(&Patient{}).Where("blood = ?", blood).Count(&n).Error)
	require.Equal(t, int64(1), n)
	var p Patient
	require.NoError(t, c.as().Where("blood = ?", blood).First(&p).Error)
	require.Equal(t, "p03", p.Name)
	changed := c.as().Model(&Patient{}).Where("blood = ?", blood).Update("name", "changed")
	require.NoError(t, changed.Error)
	require.Equal(t, int64(1), changed.RowsAffected)
	require.NoError(t, c.as().Transaction(func(tx *gorm.DB) error {
		deleted := tx.Where("blood = ?", blood).Delete(&Patient{})
		require.Equal(t, int64(1), deleted.RowsAffected)
		return deleted.Error
	}))
	require.Equal(t, int64(20), c.value(t, "SELECT count(*) FROM patients"))
	c.requireSealed(t)
}

func TestRefusedConditions(t *testing.T) {
	t.Parallel()
	c, ann := newWard(t)
	db := c.as()
	var all []Patient
	sub := c.db.Model(&Patient{}).Select("email")
	for name, tx := range map[string]*gorm.DB{
		"not searchable":        db.Where("notes = ?", secret),
		"not searchable struct": db.Where(&Patient{Notes: secret}),
		"not searchable map":    db.Where(map[string]any{"visits": 3}),
		"not searchable clause": db.Where(clause.Eq{Column: "insured", Value: true}),
		"range":                 db.Where("email > ?", secret),
		"range clause":          db.Where(clause.Gt{Column: "email", Value: secret}),
		"BETWEEN":               db.Where("born BETWEEN ? AND ?", "1970-01-01", "1980-01-01"),
		"LIKE":                  db.Where("email LIKE ?", secret+"%"),
		"LIKE clause":           db.Where(clause.Like{Column: "email", Value: secret}),
		"literal":               db.Where("email = '" + secret + "'"),
		"function":              db.Where("lower(email) = ?", secret),
		"cast":                  db.Where("email::text = ?", secret),
		"expression":            db.Where("email = ? || 'x'", secret),
		"concatenation":         db.Where("'x' || email = ?", secret),
		"other side":            db.Where("? = email", secret),
		"named":                 db.Where("email > @email", sql.Named("email", secret)),
		"named and marked":      db.Where("email = @email AND name = ?", sql.Named("email", secret), "x"),
		"another column":        db.Where("email = name"),
		"sub-query":             db.Where("email = (?)", sub),
		"IN a sub-query":        db.Where("email IN (?)", sub),
		"IS DISTINCT FROM":      db.Where("email IS DISTINCT FROM ?", secret),
		"compared outside":      db.Where("name IN (?)", sub),
		"row":                   db.Where("(id, email) IN ?", [][]any{{1, secret}}),
		"Not":                   db.Not("notes = ?", secret),
		"Order":                 db.Order("email"),
		"Order desc":            db.Order("patients.email DESC"),
		"Order clause":          db.Order(clause.OrderByColumn{Column: clause.Column{Name: "email"}}),
		"Order expression":      db.Order(clause.OrderBy{Expression: clause.Expr{SQL: "email <> ?", Vars: []any{secret}}}),
		"Group":                 db.Select("count(*)").Group("email"),
		"Having":                db.Select("count(*)").Group("name").Having("max(email) > ?", secret),
		"raw join":              db.Joins("JOIN doctors d ON d.email = patients.email"),
		"Joins ON":              db.Joins("Doctor", c.db.Where("title = ? AND email > ?", "x", secret)),
		"in a sub-query":        db.Where("id IN (?)", c.db.Model(&Patient{}).Select("id").Where("notes = ?", secret)),
		"foreign expression":    db.Where(foreign{"email < 'x'"}),
		"raw":                   db.Raw("SELECT * FROM patients WHERE email = ?", secret),
		"raw order":             db.Raw("SELECT * FROM patients ORDER BY email"),
		"unqualified":           db.Model(&Letter{}).Where("email = ? AND id IN (SELECT doctor_id FROM patients)", secret),
	} {
		err := tx.Find(&all).Error
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
		require.Regexp(t, `column "patients"."\w+"|column "doctors"."email"`, err.Error(), name)
		require.NotContains(t, err.Error(), secret, name)
	}
	for name, err := range map[string]error{
		"Delete":      db.Where("notes = ?", secret).Delete(&Patient{}).Error,
		"Update":      db.Model(&Patient{}).Where("email > ?", secret).Update("name", "x").Error,
		"raw DELETE":  db.Exec("DELETE FROM patients WHERE email = ?", secret).Error,
		"raw UPDATE":  db.Exec("UPDATE patients SET name = 'x' WHERE notes = ?", secret).Error,
		"DELETE JOIN": db.Exec("DELETE FROM letters USING patients p WHERE p.email = ?", secret).Error,
	} {
		require.ErrorIs(t, err, gormstratum.ErrEncrypted, name)
	}
	require.ErrorContains(t, db.Where("visits = ?", "x"+secret).Find(&all).Error, `"patients"."visits"`)
	require.NoError(t, db.First(&Patient{}, ann.ID).Error, "nothing has changed")
	require.NoError(t, db.Model(&Letter{}).Where("letters.email = ? AND id IN (SELECT doctor_id FROM patients)", "x").Find(&[]Letter{}).Error)
	require.NoError(t, db.Where("email = ?", "x").Order("email").Find(&[]Letter{}).Error, "a column in the clear")
	c.requireSealed(t)
}

// foreign is an expression of another package.
type foreign struct{ sql string }

func (f foreign) Build(b clause.Builder) { _, _ = b.WriteString(f.sql) }
