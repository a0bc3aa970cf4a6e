// Package install puts Stratum's own schema "stratum" into a database, keeps it up to date, and says whether a login
// can be made safe.
//
//	install.go               Migrate: lock, look, refuse or go on
//	facts.go, step.go        what is there, and the steps from there to what should be
//	settle.go, goose.go      does the steps, however many processes do; runs the migrations, a transaction each
//	release.go               the embedded migrations, rendered; Version, MinCompatible
//	roles.go, privileges.go  names of the roles; what Migrate needs, and the error when it is missing
//	script.go                the same as SQL for a DBA
//	state.go                 which version is installed, and whether this binary can work with it
//	login.go, finding.go     CheckLogin: refuses at every start a login that cannot be made safe
//	errors.go                the refusals
package install
