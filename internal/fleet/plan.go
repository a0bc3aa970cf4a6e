package fleet

// Plan is what a dry run found on one target, and what a run would do there.
type Plan struct {
	// Target is the ID of the target.
	Target string
	// Source is the name of the source.
	Source string
	// Steps are never empty.
	Steps []Step
}

// Step is one transaction, or one migration outside of a transaction.
type Step struct {
	// Version is the name of the migration, or the hash of the model.
	Version string
	// Statements are what is sent. A migration in Go has none.
	Statements []string
	// Go is set for a migration in Go.
	Go bool
	// NoTransaction is set for a migration that runs outside of a transaction.
	NoTransaction bool
}
