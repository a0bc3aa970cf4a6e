package pgserver

// With replaces database and login in a DSN.
func With(dsn, database, user, password string) string {
	return endpoint(dsn).with(database, user, password)
}

// Replaceable tells whether With works for a DSN.
func Replaceable(dsn string) bool { return endpoint(dsn).replaceable() }

// Facts is what a server says of itself.
type Facts struct {
	Version     string
	Number      int
	Ltree       bool
	CreatesDBs  bool
	CreatesRole bool
}

// Check judges a server that no machine of the tests has.
func (f Facts) Check() error {
	return facts{
		version: f.Version, number: f.Number, ltree: f.Ltree,
		login: "ci", createsDBs: f.CreatesDBs, createsRole: f.CreatesRole,
	}.check()
}

// MemoryDir is the folder in memory, or "".
func MemoryDir() string { return memoryDir() }
