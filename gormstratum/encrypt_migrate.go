package gormstratum

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gorm.io/gorm/schema"
)

// byteaType is the type of encrypted columns and blind indexes.
const byteaType = "bytea"

// describeEncrypted changes what GORM's migrator wants of a model's encrypted columns: their type, a check that refuses
// what is not sealed, and a column for the blind index, on which the column's indexes are.
func (t *table) describeEncrypted(s *schema.Schema) {
	for _, name := range slices.Sorted(maps.Keys(t.encrypted)) {
		e, f := t.encrypted[name], s.FieldsByDBName[name]
		f.DataType, f.Size, f.Precision, f.Scale = byteaType, 0, 0, 0
		f.TagSettings["TYPE"] = byteaType
		f.TagSettings["CHECK"] = sealedCheck(s.Table, name)
		f.NotNull = f.NotNull && e.plain == ""
		addIndexFields(s, f, e)
	}
}

// sealedCheck refuses values that are not in the form of sealed ones: by their first byte, the version of the key and
// the least length, see package fieldcrypt.
func sealedCheck(table, column string) string {
	return fmt.Sprintf("chk_%s_%s_sealed,%s", lastPart(table), column, sealedCondition(column))
}

func sealedCondition(column string) string {
	return fmt.Sprintf(`pg_catalog.octet_length(%[1]s) >= 33 AND `+
		`pg_catalog.substring(%[1]s, 1, 1) IN ('\x01'::bytea, '\x02'::bytea) AND `+
		`pg_catalog.substring(%[1]s, 2, 4) <> '\x00000000'::bytea`, quoteName(column))
}

// addIndexFields adds the columns of the blind indexes. The indexes of the encrypted column are on that which answers
// for it; the others have one each.
func addIndexFields(s *schema.Schema, f *schema.Field, e *encryptedField) {
	if len(e.indexes) == 0 {
		return
	}
	taken := takeIndexes(f)
	for _, i := range e.indexes {
		settings := []string{"column:" + i.column, "type:" + byteaType}
		if i == e.index && len(taken) > 0 {
			settings = append(settings, taken...)
		} else {
			settings = append(settings, "index")
		}
		name := f.Name + "BlindIndex"
		if i != e.index {
			name = f.Name + i.Name() + "BlindIndex"
		}
		index := s.ParseField(reflect.StructField{Name: name, Type: reflect.TypeFor[[]byte](), Tag: gormTag(settings)})
		index.DBName = i.column
		s.Fields = append(s.Fields, index)
		s.DBNames = append(s.DBNames, index.DBName)
		s.FieldsByDBName[index.DBName], s.FieldsByName[index.Name] = index, index
	}
}

// takeIndexes takes the indexes of a field out of its tag and returns their settings.
func takeIndexes(f *schema.Field) (taken []string) {
	var kept []string
	for setting := range strings.SplitSeq(f.Tag.Get("gorm"), ";") {
		switch key, _, _ := strings.Cut(setting, ":"); strings.ToUpper(strings.TrimSpace(key)) {
		case "INDEX", "UNIQUEINDEX", "UNIQUE":
			taken = append(taken, setting)
		default:
			kept = append(kept, setting)
		}
	}
	f.Unique, f.UniqueIndex = false, ""
	for _, key := range []string{"INDEX", "UNIQUEINDEX", "UNIQUE"} {
		delete(f.TagSettings, key)
	}
	f.Tag = gormTag(kept)
	return taken
}

func gormTag(settings []string) reflect.StructTag {
	return reflect.StructTag(fmt.Sprintf("gorm:%q", strings.Join(settings, ";")))
}
