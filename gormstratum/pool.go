package gormstratum

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"time"

	"gorm.io/gorm"
)

// isSession reports whether db is not the one that gorm.Open returned: a session has a configuration of its own, and
// Use would change no more than that. GORM does not say so; its callbacks know the db that they were made for. Where
// the field is not found the answer is no.
func isSession(db *gorm.DB) bool {
	processors := reflect.ValueOf(db.Callback()).Elem().FieldByName("processors")
	if processors.Kind() != reflect.Map {
		return false
	}
	query := processors.MapIndex(reflect.ValueOf("query"))
	if query.Kind() != reflect.Pointer || query.IsNil() {
		return false
	}
	opened := query.Elem().FieldByName("db")
	return opened.Kind() == reflect.Pointer && opened.Pointer() != reflect.ValueOf(db).Pointer()
}

// replacePool puts the guarded pool in the place of db's own. A pool that GORM opened for itself is closed, so that
// whoever still holds it gets an error and not unscoped data; a pool that the application passed in is left open.
func (p *Plugin) replacePool(db *gorm.DB) error {
	old := db.ConnPool
	prepared, isPrepared := old.(*gorm.PreparedStmtDB)
	if isPrepared {
		old = prepared.ConnPool
	}
	sqlDB, ok := old.(*sql.DB)
	if !ok {
		return fmt.Errorf("%w: Use found a pool of type %T", ErrPool, old)
	}
	if !isPrepared {
		db.ConnPool = p.st.DB()
	}
	db.Statement.ConnPool = db.ConnPool
	p.renewPrepared(db)
	if sqlDB != p.st.DB() && ownsPool(db.Dialector) {
		return sqlDB.Close()
	}
	return nil
}

// forever is the lifetime with which GORM starts no goroutine to look after its prepared statements.
const forever = 10 * 365 * 24 * time.Hour

// renewPrepared empties the store of prepared statements, which belong to the old pool. GORM keeps the store to itself;
// a session inside a transaction is the one that shows it. The nil transaction is never used. Where there is no store
// yet, this makes one. Its entries are texts, since the guard prepares lazily, and need no expiry.
func (p *Plugin) renewPrepared(db *gorm.DB) {
	inTx := db.Session(&gorm.Session{NewDB: true, Context: db.Statement.Context})
	inTx.Statement.ConnPool = (*sql.Tx)(nil)
	inTx.PrepareStmtTTL = cmp.Or(inTx.PrepareStmtTTL, forever)
	session := inTx.Session(&gorm.Session{PrepareStmt: true})
	if tx, ok := session.Statement.ConnPool.(*gorm.PreparedStmtTX); ok {
		tx.PreparedStmtDB.ConnPool = p.st.DB()
		tx.PreparedStmtDB.Close()
	}
}

// guardPool makes sure that the statement at hand runs on the guarded pool. A session made before Use still has the
// old one, and is led to it.
func (p *Plugin) guardPool(db *gorm.DB) {
	var ok bool
	switch pool := db.Statement.ConnPool.(type) {
	case *sql.DB:
		ok = pool == p.st.DB() || p.lead(db)
	case *gorm.PreparedStmtDB:
		ok = pool.ConnPool == gorm.ConnPool(p.st.DB()) || p.lead(db)
	case *gorm.PreparedStmtTX:
		ok = p.begun(pool.Tx)
	case *sql.Tx, *sql.Conn:
		ok = p.begun(pool)
	}
	if !ok && db.Error == nil {
		_ = db.AddError(ErrPool) // AddError keeps it and returns it
	}
}

// lead puts the statement on the guarded pool. Where it was led away on purpose, to a replica or to another database,
// it is refused: it would read something else than was asked for.
func (p *Plugin) lead(db *gorm.DB) bool {
	if hasResolver(db) {
		_ = db.AddError(ErrResolver) // AddError keeps it and returns it
		return false
	}
	db.Statement.ConnPool = p.st.DB()
	return true
}

// hasResolver looks for gorm.io/plugin/dbresolver, by the name that its callbacks have.
func hasResolver(db *gorm.DB) bool { return db.Callback().Query().Get("gorm:db_resolver") != nil }

// afterRow gives Row an error. It has none of its own: after a refusal GORM would return no row at all and the caller's
// Scan would panic, so it gets a row that holds the error.
func (p *Plugin) afterRow(db *gorm.DB) {
	p.forget(db)
	if db.Error == nil {
		return
	}
	switch db.Statement.Dest.(type) {
	case *sql.Row, *sql.Rows:
		return
	}
	if isRows, _ := db.Get("rows"); isRows != true {
		db.Statement.Dest = p.st.DB().QueryRowContext(refused{db.Statement.Context, db.Error}, "")
	}
}

// refused is a context that has ended with an error of our choice.
type refused struct {
	context.Context //nolint:containedctx // it is a context itself

	err error
}

// Done is closed.
func (refused) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// Err returns the refusal.
func (r refused) Err() error { return r.err }

// begun reports whether a transaction or connection comes from the guarded pool. database/sql does not say so; the
// field is looked up by name, and where it is not found the answer is no.
func (p *Plugin) begun(pool any) bool {
	v := reflect.ValueOf(pool)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return false
	}
	owner := v.Elem().FieldByName("db")
	return owner.IsValid() && owner.Kind() == reflect.Pointer &&
		owner.Pointer() == reflect.ValueOf(p.st.DB()).Pointer()
}
