// Package core is Stratum itself: the handle, the tree of tenants, and the context that says to whom a statement
// belongs. It knows no ORM; packages gormstratum and entstratum bring it into theirs.
//
//	stratum.go   Stratum: Open, Migrate, Ping, DB, Close; options.go what Open may be told
//	context.go   WithTenant, WithSubtree, WithActor, AsSystem, TenantFrom, Detach
//	tenants*.go  Tenants: the tree, its lifecycle and its moves
//	config_cache.go, config_watch.go  config in memory, current across processes; Watch
//	config*.go   Config: what tenants inherit, lock and override; Key, ResolveInto
//	keys*.go     Keys: what encrypted fields are sealed with; rotating, sealing anew, destroying
//	foreach.go   Tenants.ForEach: work for many tenants, each as itself
//	hardened.go  what is asked of the logins where hostile SQL must be withstood
//	engine.go    Engine: PostgreSQL or Citus
//	limits.go    Limits: what one tenant may take of connections and time
//	conn.go      BeginFunc, Tx: the verbs of pgx, in a tenant's scope
//	replicas.go  WithReplica: reads from streaming replicas, which see one's own writes
//	lookup.go    NewLookup: a declared read across tenants
//	verify.go    Verify: a report on the boundary as it is
//	errors.go    what can be refused, and by whom
//
// A statement reaches the database through DB or an ORM on top of it. Its context names a tenant; without one it is
// refused:
//
//	ctx = core.WithTenant(ctx, acme.ID)
//	rows, err := st.DB().QueryContext(ctx, "SELECT number FROM invoices")
package core
