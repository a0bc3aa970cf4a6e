package gormstratum

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm/schema"

	"github.com/stratum-hq/stratum-go/core"
	"github.com/stratum-hq/stratum-go/fieldcrypt"
	"github.com/stratum-hq/stratum-go/internal/tables"
)

// The words of the tag stratum on a field with gorm:"serializer:encrypted".
const (
	tagSearchable = "searchable" // has a blind index; "searchable=name" begins a further one, for the words behind it
	tagBits       = "bits"       // of the blind index
	tagNormalize  = "normalize"  // normalizers of the blind index, with ";" between them
	tagEpoch      = "epoch"      // of the blind index' key
	tagLabel      = "label"      // column, or table.column: what the values are bound to
	tagBound      = "bound"      // the primary key, which the application assigns, is bound into the values
	tagXAES       = "xaes"       // XAES-256-GCM
	tagPlain      = "plain"      // has values in the clear still; see EncryptInPlace
)

// isEncrypted reports whether a field has the serializer.
func isEncrypted(f *schema.Field) bool {
	_, ok := f.Serializer.(serializer)
	return ok
}

// readEncrypted declares the encrypted columns of a model.
func (t *table) readEncrypted(keys *core.Keys) error {
	for _, f := range t.schema.Fields {
		if !isEncrypted(f) || f.DBName == "" {
			continue
		}
		if err := t.mayEncrypt(f); err != nil {
			return err
		}
		options, err := encryptedOptions(t.schema, f)
		if err != nil {
			return err
		}
		sealed, err := keys.Column(options.ColumnOptions)
		if err != nil {
			return fmt.Errorf("%w %s: field %s: %w", ErrModel, t.schema.Name, f.Name, err)
		}
		e := &encryptedField{table: t.schema, field: f, sealed: sealed, plain: options.plain}
		if sealed.Column().PrimaryKey() {
			if err := t.mayBind(f); err != nil {
				return err
			}
		}
		e.addIndexes()
		if err := t.checkColumns(e); err != nil {
			return err
		}
		if err := t.checkIndexes(e); err != nil {
			return err
		}
		if t.encrypted == nil {
			t.encrypted = make(map[string]*encryptedField)
		}
		t.encrypted[f.DBName] = e
	}
	return nil
}

// mayEncrypt refuses fields that cannot be encrypted.
func (t *table) mayEncrypt(f *schema.Field) error {
	var reason string
	switch {
	case t.kind != tables.Owned:
		reason = "needs a tenant, whose keys it is sealed with (embed gormstratum.Tenant)"
	case f.PrimaryKey:
		reason = "is part of the primary key (leave keys in the clear, or use one that says nothing)"
	case f.HasDefaultValue || f.TagSettings["DEFAULT"] != "":
		reason = "has a default, which the database would store in the clear (set it in a BeforeCreate hook)"
	case f.TagSettings["CHECK"] != "":
		reason = "has a check, which the database would do on the sealed value (check it in a BeforeSave hook)"
	case f.DBName == t.column:
		reason = "is the tenant column"
	default:
		return nil
	}
	return fmt.Errorf("%w %s: encrypted field %s %s", ErrModel, t.schema.Name, f.Name, reason)
}

// fieldOptions are what a tag says.
type fieldOptions struct {
	fieldcrypt.ColumnOptions

	plain string // the column of values in the clear, or empty

	before fieldcrypt.IndexOptions  // what stands in front of the word searchable
	index  *fieldcrypt.IndexOptions // the one that is being read
}

// checkColumns refuses a model that has a field in the column of a blind index.
func (t *table) checkColumns(e *encryptedField) error {
	for _, i := range e.indexes {
		if t.schema.FieldsByDBName[i.column] != nil {
			return fmt.Errorf("%w %s: encrypted field %s has the column %q beside it, which is that of its blind "+
				"index (rename the field)", ErrModel, t.schema.Name, e.field.Name, i.column)
		}
	}
	return nil
}

// encryptedOptions reads the tag.
func encryptedOptions(s *schema.Schema, f *schema.Field) (o fieldOptions, err error) {
	o.Table, o.Column = s.Table, f.DBName
	o.index = &o.before
	for word := range strings.SplitSeq(f.Tag.Get(tagKey), ",") {
		if err := o.read(s, f, word); err != nil {
			return o, fmt.Errorf("%w %s: field %s has %q in its tag stratum (%w)", ErrModel, s.Name, f.Name, word, err)
		}
	}
	if b := o.before; len(o.Indexes) == 0 && (b.Bits > 0 || len(b.Normalize) > 0 || b.Epoch > 0) {
		return o, fmt.Errorf("%w %s: field %s has options of a blind index and is not searchable (add %s to its tag "+
			"stratum)", ErrModel, s.Name, f.Name, tagSearchable)
	}
	return o, nil
}

// read reads a word of the tag.
func (o *fieldOptions) read(s *schema.Schema, f *schema.Field, word string) (err error) {
	key, value, _ := strings.Cut(strings.TrimSpace(word), "=")
	switch {
	case word == "":
	case key == tagSearchable:
		err = o.addIndex(value)
	case key == tagBits || key == tagNormalize || key == tagEpoch:
		err = indexWord(o.index, key, value)
	case key == tagLabel && value != "":
		label(&o.ColumnOptions, value)
	case word == tagXAES:
		o.Alg = fieldcrypt.XAES256GCM
	case word == tagBound:
		o.PrimaryKey = true
	case key == tagPlain:
		o.plain, err = plainColumn(s, f, value)
	default:
		err = fmt.Errorf("there are %s, %s=name, %s=12, %s=casefold;trim, %s=2, %s=table.column, %s, %s and %s",
			tagSearchable, tagSearchable, tagBits, tagNormalize, tagEpoch, tagLabel, tagXAES, tagBound, tagPlain)
	}
	return err
}

// indexName is what a blind index may be called, so that its column can.
var indexName = regexp.MustCompile(`^[a-z0-9_]{0,20}$`)

// addIndex begins a blind index. The first has the words that stand in front of it, too.
func (o *fieldOptions) addIndex(name string) error {
	if !indexName.MatchString(name) {
		return errors.New("the name of a blind index has up to 20 of a-z, 0-9 and _")
	}
	index := fieldcrypt.IndexOptions{}
	if len(o.Indexes) == 0 {
		index = o.before
	}
	index.Name = name
	o.Indexes = append(o.Indexes, index)
	o.index = &o.Indexes[len(o.Indexes)-1]
	return nil
}

// indexWord reads an option of a blind index.
func indexWord(index *fieldcrypt.IndexOptions, key, value string) (err error) {
	switch key {
	case tagNormalize:
		index.Normalize, err = fieldcrypt.ParseNormalizers(value)
	case tagBits:
		index.Bits, err = positive(value)
	case tagEpoch:
		var epoch int
		epoch, err = positive(value)
		index.Epoch = uint32(epoch) //nolint:gosec // at most 1<<31 - 1
	}
	return err
}

func positive(text string) (int, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err == nil && n < 1 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// label sets what the values are bound to, whatever table and column are called.
func label(o *fieldcrypt.ColumnOptions, text string) {
	if table, column, ok := strings.Cut(text, "."); ok {
		o.Table, o.Column = table, column
		return
	}
	o.Column = text
}

// checkIndexes refuses indexes that would be on sealed values, where no two are the same, or not unique in truth.
func (t *table) checkIndexes(e *encryptedField) error {
	unique, indexed := e.field.Unique, e.field.Unique
	for _, i := range t.schema.ParseIndexes() {
		if hasColumn(i, e.field.DBName) {
			indexed, unique = true, unique || i.Class == uniqueClass
			if t.globallyUnique(i.Name) || !t.canLead(i) {
				return fmt.Errorf("%w %s: index %q has the encrypted field %s and is not one per tenant, whose keys "+
					"differ (take it out)", ErrModel, t.schema.Name, i.Name, e.field.Name)
			}
		}
	}
	switch {
	case indexed && e.index == nil:
		return fmt.Errorf("%w %s: encrypted field %s has an index, which finds nothing in sealed values (tag it "+
			"stratum:%q, and the index is on the blind index)", ErrModel, t.schema.Name, e.field.Name, tagSearchable)
	case unique && e.index.Bits() < fieldcrypt.DefaultBits:
		return fmt.Errorf("%w %s: encrypted field %s is unique, and %d bits of a blind index are not (leave out %s)",
			ErrModel, t.schema.Name, e.field.Name, e.index.Bits(), tagBits)
	}
	return nil
}

// storedColumns returns the columns that a unique key or a conflict target has in the database: the blind index stands
// for an encrypted one.
func (t *table) storedColumns(columns []string) []string {
	if len(t.encrypted) == 0 {
		return columns
	}
	columns = slices.Clone(columns)
	for i, name := range columns {
		if e := t.encrypted[name]; e != nil && e.index != nil {
			columns[i] = e.index.column
		}
	}
	return columns
}
