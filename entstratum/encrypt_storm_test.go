package entstratum_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// anyStatement draws SQL that may be right or wrong, with what it names and parameters.
func anyStatement(t *rapid.T) (query string, args []any) {
	param := func() string {
		args = append(args, rapid.SampledFrom([]any{secret, secret + " 2", []byte(secret), 7}).Draw(t, "arg"))
		return fmt.Sprintf("$%d", len(args))
	}
	column := func() string {
		return rapid.SampledFrom([]string{
			"email", "title", "doctors.email", "d.email", `"email"`, "EMAIL", "excluded.email", "email_bidx", "id", "*", "d",
			`U&"em\0061il"`, "doctors.*",
		}).Draw(t, "column")
	}
	expression := func() string {
		switch rapid.IntRange(0, 9).Draw(t, "expression") {
		case 0, 1, 2, 3:
			return param()
		case 4:
			return param() + "::text::bytea"
		case 5:
			return "convert_to('" + secret + "', 'UTF8')"
		case 6:
			return "coalesce(" + column() + ", " + param() + ")"
		case 7:
			return "(SELECT " + column() + " FROM doctors LIMIT 1)"
		case 8:
			return "NULL"
		default:
			return column()
		}
	}
	condition := func() string {
		return column() + rapid.SampledFrom([]string{" = ", " <> ", " > ", " IS NOT NULL AND email = "}).Draw(t, "op") +
			expression()
	}
	clause := func(word string, of func() string) string {
		if rapid.Bool().Draw(t, word) {
			return " " + word + " " + of()
		}
		return ""
	}
	items := func(of func() string) string {
		list := make([]string, rapid.IntRange(1, 3).Draw(t, "items"))
		for i := range list {
			list[i] = of()
		}
		return strings.Join(list, ", ")
	}
	set := func() string {
		return rapid.SampledFrom([]string{"email", "title", `"email"`, "(email, title)", "email_bidx"}).Draw(t, "set") + " = " +
			expression()
	}
	alias := rapid.SampledFrom([]string{"", " d", " AS d"}).Draw(t, "alias")
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		query = "INSERT INTO doctors" + rapid.SampledFrom([]string{
			"", " (id, email, title)", ` (email, "id")`, " AS d (title, email, id)",
		}).Draw(t, "columns") + " VALUES (" + items(func() string {
			return rapid.SampledFrom([]string{"gen_random_uuid()", "DEFAULT", ""}).Draw(t, "value") + ""
		}) + ")"
		query = strings.NewReplacer("(, ", "("+param()+", ", ", )", ", "+param()+")", "()", "("+param()+")", ", ,", ", "+param()+",").
			Replace(query) + clause("ON CONFLICT (email) DO UPDATE SET", func() string { return items(set) })
	case 1:
		query = "UPDATE doctors" + alias + " SET " + items(set) + clause("WHERE", condition)
	case 2:
		query = "DELETE FROM doctors" + alias + clause("WHERE", condition)
	default:
		query = "SELECT " + rapid.SampledFrom([]string{"", "DISTINCT "}).Draw(t, "distinct") + items(expression) +
			" FROM doctors" + alias + clause("WHERE", condition) + clause("ORDER BY", column) + clause("LIMIT", func() string {
			return "2"
		})
	}
	if query[0] != 'S' {
		query += clause("RETURNING", func() string { return items(column) })
	}
	return query, args
}

// Whatever is sent, nothing is stored in the clear, no ciphertext comes back in its place, and nothing is logged.
func TestEncryptedStorm(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	ran, opened := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		if c.client.Doctor.Query().CountX(c.ctx) == 0 {
			c.client.Doctor.Create().SetEmail(secret + " dr").SetTitle("title").SaveX(c.ctx)
		}
		query, args := anyStatement(r)
		rows, err := c.client.QueryContext(c.ctx, query, args...)
		if err != nil {
			require.NotContains(r, err.Error(), secret, query)
			return
		}
		ran++
		defer func() { _ = rows.Close() }() // rows.Err tells more
		columns, err := rows.Columns()
		require.NoError(r, err)
		for rows.Next() {
			values := make([]any, len(columns))
			into := make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(r, rows.Scan(into...))
			for i, value := range values {
				text := fmt.Sprintf("%s", value)
				require.NotContains(r, text, "\x01\x00\x00\x00\x01", "%s: %s", query, columns[i])
				require.NotContains(r, text, hex.EncodeToString([]byte("\x01\x00\x00\x00\x01")), "%s: %s", query, columns[i])
				if strings.Contains(text, secret) {
					opened++
				}
			}
		}
		if err := rows.Err(); err != nil {
			require.NotContains(r, err.Error(), secret, query)
		}
	})
	require.Greater(t, ran, 5)
	for _, row := range c.stored(t, "doctors", "id") {
		require.NotContains(t, fmt.Sprintf("%s", row["email"]), secret)
	}
	require.Positive(t, opened, "of %d statements that ran", ran)
}
