package tables

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stratum-hq/stratum-go/internal/sqltext"
)

// maxName is the length in bytes at which PostgreSQL cuts an identifier off, silently.
const maxName = 63

// Suffixes of the names that are made up here.
const (
	keySuffix   = "_stratum_key"
	indexSuffix = "_stratum_idx"
	checkSuffix = "_stratum_check"
)

// quote, quoteEach and literal are those of sqltext: SQL is easier to read with short names in it.
func quote(parts ...string) string { return sqltext.Quote(parts...) }

func quoteEach(names []string) string { return sqltext.QuoteEach(names) }

// clip cuts a name off where PostgreSQL does: an ORM's longer name would else never be found in the catalog.
func clip(name string) string {
	return clipTo(name, maxName)
}

// clipTo cuts between characters.
func clipTo(name string, length int) string {
	if len(name) <= length {
		return name
	}
	for length > 0 && !utf8.RuneStart(name[length]) {
		length--
	}
	return name[:length]
}

// clipAll returns a clipped copy.
func clipAll(names []string) []string {
	if names == nil {
		return nil
	}
	clipped := make([]string, len(names))
	for i, name := range names {
		clipped[i] = clip(name)
	}
	return clipped
}

// keyName is the name of the key that stands beside a table's primary key. It is fixed, since others refer to it, such
// as a replica identity.
func keyName(table string) string {
	if len(table)+len(keySuffix) <= maxName {
		return table + keySuffix
	}
	return hashedName(table, nil, keySuffix)
}

// hashedName is a name for something on columns of a table. The hash keeps apart what the plain names would not: table
// a with column b_c from table a_b with column c.
func hashedName(table string, columns []string, suffix string) string {
	sum := sha256.Sum256([]byte(table + "\x00" + strings.Join(columns, "\x00")))
	suffix = "_" + hex.EncodeToString(sum[:4]) + suffix
	return clipTo(strings.Join(append([]string{table}, columns...), "_"), maxName-len(suffix)) + suffix
}

func literal(text string) string { return sqltext.Literal(text) }

// inline puts values in the place of a statement's parameters. They are texts.
func inline(statement string, args []any) string {
	for i, arg := range args {
		statement = strings.ReplaceAll(statement, "$"+strconv.Itoa(i+1), literal(fmt.Sprint(arg)))
	}
	return statement
}
